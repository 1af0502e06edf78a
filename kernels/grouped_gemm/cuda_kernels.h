// The CUDA rows of the grouped GEMM table.
#pragma once
#include <vector>

#include "kernels/grouped_gemm/grouped_gemm.h"

namespace assay {

/// Appends the kernels for NVIDIA GPUs, ours first; defined where the build has CUDA (sources listed in cuda.cmake).
void append_cuda_grouped_gemm_kernels(std::vector<GroupedGemmKernel>&);

}  // namespace assay
