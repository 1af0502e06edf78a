// Finds the kernel that a launch plan names, and starts it as the plan says.  Host code only; C++17.
#pragma once
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <string>

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

/// A row of a table of compiled instances; the name is the one that launch plans use.
template <class Params>
struct NamedKernel {
  const char* name;
  void (*function)(Params);
};

template <class Params, std::size_t Count>
auto find_kernel(const NamedKernel<Params> (&table)[Count], const LaunchPlan<Params>& plan) {
  for (const NamedKernel<Params>& row : table)
    if (std::strcmp(row.name, plan.kernel) == 0) return row.function;
  throw std::runtime_error(std::string("this build has no kernel ") + plan.kernel);
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
