// One function per CUDA row of the GEMM table, each defined beside its kernel.
#pragma once
#include "kernels/gemm/gemm.h"

namespace assay {

GemmKernel simt_f32_row();
GemmKernel mma_sm80_row();
GemmKernel wgmma_sm90_row();          // these two where the build is for sm_90a
GemmKernel wgmma_fp8_sm90_row();
GemmKernel tcgen05_sm100_row();       // where the build is for sm_100a or sm_103a
GemmKernel cublaslt_heuristic_row();  // these two where the build has cuBLASLt
GemmKernel cublaslt_tuned_row();

}  // namespace assay
