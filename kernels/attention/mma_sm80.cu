#include "kernels/attention/mma_sm80.cuh"

#include "kernels/attention/cuda_launch.cuh"
#include "kernels/attention/mma_sm80.h"

namespace assay {

// Plain names: what the launch plan says is what profilers show and what the functional GPU looks up.
extern "C" __global__ void __launch_bounds__(MmaSm80Tile<64>::kThreads)
    attention_mma_sm80_bf16_d64(const AttentionKernelParams params) {
  mma_sm80::attention<mma_sm80::Bf16, 64>(params);
}
extern "C" __global__ void __launch_bounds__(MmaSm80Tile<128>::kThreads)
    attention_mma_sm80_bf16_d128(const AttentionKernelParams params) {
  mma_sm80::attention<mma_sm80::Bf16, 128>(params);
}
extern "C" __global__ void __launch_bounds__(MmaSm80Tile<64>::kThreads)
    attention_mma_sm80_f16_d64(const AttentionKernelParams params) {
  mma_sm80::attention<mma_sm80::F16, 64>(params);
}
extern "C" __global__ void __launch_bounds__(MmaSm80Tile<128>::kThreads)
    attention_mma_sm80_f16_d128(const AttentionKernelParams params) {
  mma_sm80::attention<mma_sm80::F16, 128>(params);
}

void launch_attention_mma_sm80(const AttentionProblem& problem, const AttentionBuffers& buffers, const Target&,
                               Stream stream) {
  static const AttentionInstantiation table[] = {{"attention_mma_sm80_bf16_d64", attention_mma_sm80_bf16_d64},
                                                 {"attention_mma_sm80_bf16_d128", attention_mma_sm80_bf16_d128},
                                                 {"attention_mma_sm80_f16_d64", attention_mma_sm80_f16_d64},
                                                 {"attention_mma_sm80_f16_d128", attention_mma_sm80_f16_d128}};
  launch_attention(attention_mma_sm80_plan(problem, buffers), table, stream);
}

}  // namespace assay
