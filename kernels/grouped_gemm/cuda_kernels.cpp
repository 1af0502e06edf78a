#include "kernels/grouped_gemm/cuda_kernels.h"

#include "kernels/grouped_gemm/gemm_loop.h"

namespace assay {

void append_cuda_grouped_gemm_kernels(std::vector<GroupedGemmKernel>& rows) {
  if (const GemmKernel* gemm = gemm_kernel_named("cublaslt_tuned"))
    rows.push_back(gemm_loop_row("cublaslt_loop", *gemm));
}

}  // namespace assay
