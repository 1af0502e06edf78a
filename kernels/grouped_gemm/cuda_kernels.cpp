#include "kernels/grouped_gemm/cuda_kernels.h"

#include "assay/build_config.h"
#include "kernels/grouped_gemm/cuda_kernel_rows.h"
#include "kernels/grouped_gemm/gemm_loop.h"

namespace assay {

void append_cuda_grouped_gemm_kernels(std::vector<GroupedGemmKernel>& rows) {
#if ASSAY_HAS_SM90
  rows.push_back(wgmma_sm90_grouped_row());
#endif
#if ASSAY_HAS_CUBLASLT  // and with it cuBLAS: they are one package
  rows.push_back(cublas_grouped_row());
#endif
  if (const GemmKernel* gemm = gemm_kernel_named("cublaslt_tuned"))
    rows.push_back(gemm_loop_row("cublaslt_loop", *gemm));
}

}  // namespace assay
