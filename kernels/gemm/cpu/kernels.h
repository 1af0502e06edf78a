// The CPU rows of the GEMM table.
#pragma once
#include "kernels/gemm/gemm.h"

namespace assay {

GemmKernel cpu_blocked_gemm();
GemmKernel cpu_dequantized_gemm();
GemmKernel openblas_gemm();  // defined where the build has OpenBLAS
GemmKernel onednn_gemm();    // defined where the build has oneDNN

}  // namespace assay
