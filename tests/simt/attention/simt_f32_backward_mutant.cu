// Two widths, so that a planted bug compiles quickly.
#include "kernels/attention/cuda/simt_f32_backward.cuh"

namespace assay {

#define ASSAY_MUTANT(kernel, function, head_dim)                                                   \
  extern "C" __global__ void __launch_bounds__(SimtF32BackwardTile<head_dim>::kThreads)            \
      attention_simt_f32_backward_##kernel##_d##head_dim(const AttentionSimtF32BackwardParams p) { \
    simt_f32_backward::function<head_dim>(p);                                                      \
  }
ASSAY_MUTANT(delta, sum_delta, 64)
ASSAY_MUTANT(keys, backward_keys, 64)
ASSAY_MUTANT(queries, backward_queries, 64)
ASSAY_MUTANT(delta, sum_delta, 96)
ASSAY_MUTANT(keys, backward_keys, 96)
ASSAY_MUTANT(queries, backward_queries, 96)

}  // namespace assay
