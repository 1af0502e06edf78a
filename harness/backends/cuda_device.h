// What a CUDA device is, and its errors as MeasureError.
#pragma once
#include <cuda_runtime_api.h>

#include <string>

#include "kernels/common/kernel.h"

namespace assay {

/// Kernels of this build start here: older GPUs have neither bf16 tensor cores nor cp.async.
inline constexpr int kLeastComputeCapability = 80;

/// MeasureError "GPU 0: WHAT: out of memory (cudaErrorMemoryAllocation)" unless `error` is cudaSuccess.
void check_gpu(cudaError_t error, int ordinal, const std::string& what);

Target gpu_target(int ordinal);
std::string gpu_name(int ordinal);

/// What to say where this build's kernels do not run on the GPU.
std::string built_for_others(const Target&);

/// CUDA's packed version number as people write it: 13000 -> "13.0".
std::string cuda_version_text(int version);

}  // namespace assay
