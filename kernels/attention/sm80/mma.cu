#include "kernels/attention/sm80/mma.cuh"

#include "kernels/attention/sm80/mma.h"
#include "kernels/common/cuda_launch.h"

namespace assay {

// Plain names: what the launch plan says is what profilers show and what the functional GPU looks up.
#define ASSAY_MMA_SM80(name, Element, ...)                                         \
  extern "C" __global__ void __launch_bounds__(MmaSm80Tile<__VA_ARGS__>::kThreads) \
      name(const AttentionKernelParams params) {                                   \
    mma_sm80::attention<mma_sm80::Element, MmaSm80Tile<__VA_ARGS__>>(params);      \
  }
ASSAY_MMA_SM80(attention_mma_sm80_bf16_d64, Bf16, 64)
ASSAY_MMA_SM80(attention_mma_sm80_bf16_d96, Bf16, 96)
ASSAY_MMA_SM80(attention_mma_sm80_bf16_d128, Bf16, 128)
ASSAY_MMA_SM80(attention_mma_sm80_bf16_d192_v128, Bf16, 192, 128)
ASSAY_MMA_SM80(attention_mma_sm80_bf16_d256, Bf16, 256)
ASSAY_MMA_SM80(attention_mma_sm80_f16_d64, F16, 64)
ASSAY_MMA_SM80(attention_mma_sm80_f16_d96, F16, 96)
ASSAY_MMA_SM80(attention_mma_sm80_f16_d128, F16, 128)
ASSAY_MMA_SM80(attention_mma_sm80_f16_d192_v128, F16, 192, 128)
ASSAY_MMA_SM80(attention_mma_sm80_f16_d256, F16, 256)
#undef ASSAY_MMA_SM80

namespace {

const NamedKernel<AttentionKernelParams> kKernels[] = {
    {"attention_mma_sm80_bf16_d64", attention_mma_sm80_bf16_d64},
    {"attention_mma_sm80_bf16_d96", attention_mma_sm80_bf16_d96},
    {"attention_mma_sm80_bf16_d128", attention_mma_sm80_bf16_d128},
    {"attention_mma_sm80_bf16_d192_v128", attention_mma_sm80_bf16_d192_v128},
    {"attention_mma_sm80_bf16_d256", attention_mma_sm80_bf16_d256},
    {"attention_mma_sm80_f16_d64", attention_mma_sm80_f16_d64},
    {"attention_mma_sm80_f16_d96", attention_mma_sm80_f16_d96},
    {"attention_mma_sm80_f16_d128", attention_mma_sm80_f16_d128},
    {"attention_mma_sm80_f16_d192_v128", attention_mma_sm80_f16_d192_v128},
    {"attention_mma_sm80_f16_d256", attention_mma_sm80_f16_d256},
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
