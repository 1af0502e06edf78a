// Launching the kernel that a launch plan names.  Host code of .cu files; C++17.
#pragma once
#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

#include "kernels/attention/cuda_params.h"
#include "kernels/common/cuda_check.h"
#include "kernels/common/launch_plan.h"
#include "kernels/common/stream.h"

namespace assay {

struct AttentionInstantiation {
  const char* name;
  void (*kernel)(AttentionKernelParams);
};

template <std::size_t Count>
void launch_attention(const LaunchPlan<AttentionKernelParams>& plan, const AttentionInstantiation (&table)[Count],
                      Stream stream) {
  for (const AttentionInstantiation& row : table) {
    if (std::string(row.name) != plan.kernel) continue;
    const auto* kernel = reinterpret_cast<const void*>(row.kernel);
    // Above 48 KiB a kernel must ask for its dynamic shared memory.
    ASSAY_CHECK_CUDA(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, int(plan.shared_bytes)));
    AttentionKernelParams params = plan.params;
    void* arguments[] = {&params};
    ASSAY_CHECK_CUDA(cudaLaunchKernel(kernel, dim3(plan.grid.x, plan.grid.y, plan.grid.z),
                                      dim3(plan.block.x, plan.block.y, plan.block.z), arguments, plan.shared_bytes,
                                      stream));
    return;
  }
  throw std::runtime_error(std::string("attention kernel ") + plan.kernel + " is not in this build");
}

}  // namespace assay
