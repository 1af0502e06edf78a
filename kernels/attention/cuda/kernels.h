// The CUDA rows of the attention table.
#pragma once
#include <vector>

#include "kernels/attention/attention.h"

namespace assay {

/// Appends the kernels for NVIDIA GPUs, ours first; defined where the build has CUDA (sources listed in cuda.cmake).
void append_cuda_attention_kernels(std::vector<AttentionKernel>&);

}  // namespace assay
