// The table of grouped GEMM kernels in this build.
#include "kernels/grouped_gemm/grouped_gemm.h"

#include "assay/build_config.h"
#include "kernels/grouped_gemm/cpu_kernels.h"
#if ASSAY_HAS_CUDA
#include "kernels/grouped_gemm/cuda_kernels.h"
#endif

namespace assay {

const std::vector<GroupedGemmKernel>& grouped_gemm_kernels() {
  static const std::vector<GroupedGemmKernel> kernels = [] {
    std::vector<GroupedGemmKernel> rows{cpu_blocked_grouped_gemm()};
    append_cpu_gemm_loops(rows);
#if ASSAY_HAS_CUDA
    append_cuda_grouped_gemm_kernels(rows);
#endif
    return rows;
  }();
  return kernels;
}

}  // namespace assay
