// One instance alone, so that the PTX of a planted bug compiles in a second.
#include "kernels/attention/sm90/wgmma_forward.cuh"

using namespace assay;
extern "C" __global__ void __launch_bounds__(sm90_attention::kThreads, 1)
    attention_wgmma_sm90_e4m3_d128_v128(const __grid_constant__ WgmmaSm90ForwardParams p) {
  sm90_attention::forward<sm90_attention::ForwardInstance<sm90_attention::E4m3, 128, 128>>(p);
}
