// One function per CUDA row of the grouped GEMM table, each defined beside its kernel.
#pragma once
#include "kernels/grouped_gemm/grouped_gemm.h"

namespace assay {

GroupedGemmKernel wgmma_sm90_grouped_row();  // where the build has sm_90a
GroupedGemmKernel cublas_grouped_row();      // where the build has cuBLAS's headers

}  // namespace assay
