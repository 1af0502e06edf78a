// The table of GEMM kernels in this build.
#include "kernels/gemm/gemm.h"

#include "assay/build_config.h"
#include "kernels/gemm/cpu/kernels.h"
#if ASSAY_HAS_CUDA
#include "kernels/gemm/cuda/kernels.h"
#endif

namespace assay {

bool parse_layout(std::string_view text, GemmLayout& out) {
  for (const GemmLayout layout : {GemmLayout::tn, GemmLayout::nn, GemmLayout::nt})
    if (text == name(layout)) return out = layout, true;
  return false;
}

bool parse_scaling(std::string_view text, GemmScaling& out) {
  for (const GemmScaling scaling :
       {GemmScaling::none, GemmScaling::tensor, GemmScaling::block, GemmScaling::mx, GemmScaling::nv})
    if (text == name(scaling)) return out = scaling, true;
  return false;
}

const std::vector<GemmKernel>& gemm_kernels() {
  static const std::vector<GemmKernel> kernels = [] {
    std::vector<GemmKernel> rows{cpu_blocked_gemm(), cpu_dequantized_gemm()};
#if ASSAY_HAS_OPENBLAS
    rows.push_back(openblas_gemm());
#endif
#if ASSAY_HAS_ONEDNN
    rows.push_back(onednn_gemm());
#endif
#if ASSAY_HAS_CUDA
    append_cuda_gemm_kernels(rows);
#endif
    return rows;
  }();
  return kernels;
}

}  // namespace assay
