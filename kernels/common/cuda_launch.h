// Starts a kernel as its launch plan says.  Host code only; C++17.
#pragma once
#include "kernels/common/cuda_check.h"
#include "kernels/common/launch_plan.h"
#include "kernels/common/stream.h"

namespace assay {

/// Allows `kernel` to be launched with that much dynamic shared memory: above 48 KiB the runtime wants to be asked.
inline void allow_shared_bytes(const void* kernel, unsigned bytes) {
  if (bytes > 48 * 1024)
    ASSAY_CHECK_CUDA(
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)));
}

/// Enqueues `kernel`, whose only parameter is a `Params`, on `stream`.
template <class Params>
void launch_kernel(void (*kernel)(Params), const LaunchPlan<Params>& plan, Stream stream) {
  const auto dim = [](const GridDim& d) { return dim3(d.x, d.y, d.z); };
  cudaLaunchConfig_t config = {};
  config.gridDim = dim(plan.grid);
  config.blockDim = dim(plan.block);
  config.dynamicSmemBytes = plan.shared_bytes;
  config.stream = stream;
  cudaLaunchAttribute cluster = {};
  cluster.id = cudaLaunchAttributeClusterDimension;
  cluster.val.clusterDim = {plan.cluster.x, plan.cluster.y, plan.cluster.z};
  if (plan.cluster.x * plan.cluster.y * plan.cluster.z > 1) {
    config.attrs = &cluster;
    config.numAttrs = 1;
  }
  void* arguments[] = {const_cast<Params*>(&plan.params)};
  ASSAY_CHECK_CUDA(cudaLaunchKernelExC(&config, reinterpret_cast<const void*>(kernel), arguments));
}

}  // namespace assay
