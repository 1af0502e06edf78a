#include "kernels/attention/mma_sm80.cuh"

#include "kernels/attention/mma_sm80.h"
#include "kernels/common/cuda_launch.h"

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

namespace {

const NamedKernel<AttentionKernelParams> kKernels[] = {
    {"attention_mma_sm80_bf16_d64", attention_mma_sm80_bf16_d64},
    {"attention_mma_sm80_bf16_d128", attention_mma_sm80_bf16_d128},
    {"attention_mma_sm80_f16_d64", attention_mma_sm80_f16_d64},
    {"attention_mma_sm80_f16_d128", attention_mma_sm80_f16_d128},
};

}  // namespace

void prepare_attention_mma_sm80(const AttentionProblem& problem) {
  const auto plan = attention_mma_sm80_plan(problem, {});
  allow_shared_bytes(reinterpret_cast<const void*>(find_kernel(kKernels, plan)), plan.shared_bytes);
}

void launch_attention_mma_sm80(const AttentionProblem& problem, const AttentionBuffers& buffers, const Target&,
                               Stream stream) {
  const auto plan = attention_mma_sm80_plan(problem, buffers);
  launch_kernel(find_kernel(kKernels, plan), plan, stream);
}

}  // namespace assay
