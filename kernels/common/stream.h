// The CUDA stream type by its true definition, so that contracts compile with and without the CUDA toolkit.
#pragma once

struct CUstream_st;

namespace assay {
/// `cudaStream_t`; null on the CPU, where launches finish before they return.
using Stream = CUstream_st*;
}  // namespace assay
