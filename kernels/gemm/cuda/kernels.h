// The CUDA rows of the GEMM table.
#pragma once
#include <vector>

#include "kernels/gemm/gemm.h"

namespace assay {

/// Appends the kernels for NVIDIA GPUs, ours first; defined where the build has CUDA (sources listed in cuda.cmake).
void append_cuda_gemm_kernels(std::vector<GemmKernel>&);

}  // namespace assay
