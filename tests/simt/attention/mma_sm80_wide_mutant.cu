// The instances whose rows differ in kind from those of 128 columns: half swizzled ones, and v narrower than k.
#include "kernels/attention/sm80/mma.cuh"

namespace assay {
extern "C" __global__ void __launch_bounds__(MmaSm80Tile<96>::kThreads)
    attention_mma_sm80_bf16_d96(const AttentionKernelParams params) {
  mma_sm80::attention<mma_sm80::Bf16, MmaSm80Tile<96>>(params);
}
extern "C" __global__ void __launch_bounds__(MmaSm80Tile<192, 128>::kThreads)
    attention_mma_sm80_bf16_d192_v128(const AttentionKernelParams params) {
  mma_sm80::attention<mma_sm80::Bf16, MmaSm80Tile<192, 128>>(params);
}
}  // namespace assay
