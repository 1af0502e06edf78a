// One instantiation, so that a planted bug compiles quickly.
#include "kernels/attention/sm80/mma.cuh"

namespace assay {
extern "C" __global__ void __launch_bounds__(MmaSm80Tile<128>::kThreads)
    attention_mma_sm80_bf16_d128(const AttentionKernelParams params) {
  mma_sm80::attention<mma_sm80::Bf16, MmaSm80Tile<128>>(params);
}
}  // namespace assay
