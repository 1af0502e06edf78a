// One width, so that a planted bug compiles quickly.
#include "kernels/attention/cuda/simt_f32_backward.cuh"

namespace assay {

using Tile = SimtF32BackwardTile<64>;
extern "C" __global__ void __launch_bounds__(Tile::kThreads)
    attention_simt_f32_backward_delta_d64(const AttentionSimtF32BackwardParams params) {
  simt_f32_backward::sum_delta<64>(params);
}
extern "C" __global__ void __launch_bounds__(Tile::kThreads)
    attention_simt_f32_backward_keys_d64(const AttentionSimtF32BackwardParams params) {
  simt_f32_backward::backward_keys<64>(params);
}
extern "C" __global__ void __launch_bounds__(Tile::kThreads)
    attention_simt_f32_backward_queries_d64(const AttentionSimtF32BackwardParams params) {
  simt_f32_backward::backward_queries<64>(params);
}

}  // namespace assay
