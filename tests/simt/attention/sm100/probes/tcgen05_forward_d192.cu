// One instance alone, so that the PTX of a planted bug compiles in a second.
#include "kernels/attention/sm100/tcgen05_forward.cuh"

using namespace assay;
extern "C" __global__ void __launch_bounds__(sm100_attention::kThreads, 1)
    attention_tcgen05_sm100_bf16_d192_v128(const __grid_constant__ Tcgen05Sm100ForwardParams p) {
  sm100_attention::forward<sm100_attention::ForwardInstance<sm100_attention::Bf16, 192, 128>>(p);
}
