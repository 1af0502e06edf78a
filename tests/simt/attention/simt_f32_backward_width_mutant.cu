// One width, so that a planted bug compiles quickly: whose rows are no whole number of 64 columns.
#include "kernels/attention/cuda/simt_f32_backward.cuh"

namespace assay {

using Tile = SimtF32BackwardTile<96>;
extern "C" __global__ void __launch_bounds__(Tile::kThreads)
    attention_simt_f32_backward_delta_d96(const AttentionSimtF32BackwardParams params) {
  simt_f32_backward::sum_delta<96>(params);
}
extern "C" __global__ void __launch_bounds__(Tile::kThreads)
    attention_simt_f32_backward_keys_d96(const AttentionSimtF32BackwardParams params) {
  simt_f32_backward::backward_keys<96>(params);
}
extern "C" __global__ void __launch_bounds__(Tile::kThreads)
    attention_simt_f32_backward_queries_d96(const AttentionSimtF32BackwardParams params) {
  simt_f32_backward::backward_queries<96>(params);
}

}  // namespace assay
