// One instantiation, so that a planted bug compiles quickly.
#include "kernels/attention/sm90/wgmma_backward.cuh"

namespace assay {

using Tile = WgmmaSm90BackwardTile<128>;
using Element = wgmma_sm90_backward::Bf16;

extern "C" __global__ void __launch_bounds__(wgmma_sm90_backward::kRowThreads)
    attention_wgmma_sm90_backward_before_bf16_d128(const __grid_constant__ WgmmaSm90BackwardParams params) {
  wgmma_sm90_backward::prepare_rows<Element, Tile>(params);
}
extern "C" __global__ void __launch_bounds__(Tile::kThreads, 1)
    attention_wgmma_sm90_backward_bf16_d128(const __grid_constant__ WgmmaSm90BackwardParams params) {
  wgmma_sm90_backward::backward<Element, Tile>(params);
}
extern "C" __global__ void __launch_bounds__(128 * Tile::kDqBlocks)
    attention_wgmma_sm90_backward_after_bf16_d128(const __grid_constant__ WgmmaSm90BackwardParams params) {
  wgmma_sm90_backward::finish_dq<Element, Tile>(params);
}

}  // namespace assay
