// One function per CUDA row of the GEMM table, each defined beside its kernel.
#pragma once
#include "assay/build_config.h"
#include "kernels/gemm/gemm.h"

namespace assay {

GemmKernel simt_f32_row();
GemmKernel mma_sm80_row();
#if ASSAY_HAS_CUBLASLT
GemmKernel cublaslt_heuristic_row();
GemmKernel cublaslt_tuned_row();
#endif

}  // namespace assay
