// The widths with loops of their own, so that a planted bug compiles quickly.
#include "kernels/attention/sm90/wgmma_backward.cuh"

namespace assay {

using Element = wgmma_sm90_backward::Bf16;

#define ASSAY_BACKWARD(suffix, ...)                                                                           \
  extern "C" __global__ void __launch_bounds__(wgmma_sm90_backward::kRowThreads)                              \
      attention_wgmma_sm90_backward_before_##suffix(const __grid_constant__ WgmmaSm90BackwardParams params) { \
    wgmma_sm90_backward::prepare_rows<Element, WgmmaSm90BackwardTile<__VA_ARGS__>>(params);                   \
  }                                                                                                           \
  extern "C" __global__ void __launch_bounds__(WgmmaSm90BackwardTile<__VA_ARGS__>::kThreads, 1)               \
      attention_wgmma_sm90_backward_##suffix(const __grid_constant__ WgmmaSm90BackwardParams params) {        \
    wgmma_sm90_backward::backward<Element, WgmmaSm90BackwardTile<__VA_ARGS__>>(params);                       \
  }                                                                                                           \
  extern "C" __global__ void __launch_bounds__(128 * WgmmaSm90BackwardTile<__VA_ARGS__>::kDqBlocks)           \
      attention_wgmma_sm90_backward_after_##suffix(const __grid_constant__ WgmmaSm90BackwardParams params) {  \
    wgmma_sm90_backward::finish_dq<Element, WgmmaSm90BackwardTile<__VA_ARGS__>>(params);                      \
  }
ASSAY_BACKWARD(bf16_d192_v128, 192, 128)
ASSAY_BACKWARD(bf16_d256, 256)

}  // namespace assay
