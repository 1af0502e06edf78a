// Host side of mma.cuh: what it accepts, how it is launched.  C++17, no CUDA: tests use the same launch plan.
#pragma once
#include <stdexcept>

#include "kernels/attention/attention.h"
#include "kernels/attention/cuda/params.h"
#include "kernels/attention/cuda/plan.h"
#include "kernels/common/launch_plan.h"

namespace assay {

/// One tile shape, compiled for both types.
struct AttentionMmaSm80Instance {
  int head_dim, value_dim;
  const char *bf16, *f16;
  LaunchPlan<AttentionKernelParams> (*plan)(const char* kernel, const AttentionProblem&, const AttentionBuffers&);
};
inline constexpr AttentionMmaSm80Instance kAttentionMmaSm80Instances[] = {
    {64, 64, "attention_mma_sm80_bf16_d64", "attention_mma_sm80_f16_d64", attention_plan<MmaSm80Tile<64>>},
    {96, 96, "attention_mma_sm80_bf16_d96", "attention_mma_sm80_f16_d96", attention_plan<MmaSm80Tile<96>>},
    {128, 128, "attention_mma_sm80_bf16_d128", "attention_mma_sm80_f16_d128", attention_plan<MmaSm80Tile<128>>},
    {192, 128, "attention_mma_sm80_bf16_d192_v128", "attention_mma_sm80_f16_d192_v128",
     attention_plan<MmaSm80Tile<192, 128>>},
    {256, 256, "attention_mma_sm80_bf16_d256", "attention_mma_sm80_f16_d256", attention_plan<MmaSm80Tile<256>>},
};

/// The problem's; null where there is none.
inline const AttentionMmaSm80Instance* attention_mma_sm80_instance(const AttentionProblem& problem) {
  for (const AttentionMmaSm80Instance& instance : kAttentionMmaSm80Instances)
    if (instance.head_dim == problem.head_dim && instance.value_dim == problem.value_dim()) return &instance;
  return nullptr;
}

inline LaunchPlan<AttentionKernelParams> attention_mma_sm80_plan(const AttentionProblem& problem,
                                                                 const AttentionBuffers& buffers) {
  const AttentionMmaSm80Instance* instance = attention_mma_sm80_instance(problem);
  if (instance == nullptr) throw std::invalid_argument("mma_sm80 has no instance for these head dimensions");
  return instance->plan(problem.dtype == DType::bf16 ? instance->bf16 : instance->f16, problem, buffers);
}

/// Before the first launch on a device; launches then only enqueue.
void prepare_attention_mma_sm80(const AttentionProblem&);

/// Enqueues on `stream`; throws std::runtime_error where the launch is refused.
void launch_attention_mma_sm80(const AttentionProblem&, const AttentionBuffers&, const Target&, Stream);

}  // namespace assay
