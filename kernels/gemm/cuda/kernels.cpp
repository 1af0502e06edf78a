#include "kernels/gemm/cuda/kernels.h"

#include "assay/build_config.h"
#include "kernels/gemm/cuda/kernel_rows.h"

namespace assay {

void append_cuda_gemm_kernels(std::vector<GemmKernel>& rows) {
#if ASSAY_HAS_SM100
  rows.push_back(tcgen05_sm100_row());
#endif
#if ASSAY_HAS_SM90
  rows.push_back(wgmma_sm90_row());
  rows.push_back(wgmma_fp8_sm90_row());
#endif
  rows.push_back(mma_sm80_row());
  rows.push_back(simt_f32_row());
#if ASSAY_HAS_CUBLASLT
  rows.push_back(cublaslt_heuristic_row());
  rows.push_back(cublaslt_tuned_row());
#endif
}

}  // namespace assay
