// Host side of mma_sm80.cuh: what it accepts, how it is launched.  C++17, no CUDA: tests use the same launch plan.
#pragma once
#include "kernels/attention/attention.h"
#include "kernels/attention/cuda_params.h"
#include "kernels/attention/cuda_plan.h"
#include "kernels/common/launch_plan.h"

namespace assay {

inline LaunchPlan<AttentionKernelParams> attention_mma_sm80_plan(const AttentionProblem& problem,
                                                                 const AttentionBuffers& buffers) {
  const bool bf16 = problem.dtype == DType::bf16;
  if (problem.head_dim == 64)
    return attention_plan<MmaSm80Tile<64>>(bf16 ? "attention_mma_sm80_bf16_d64" : "attention_mma_sm80_f16_d64", problem,
                                           buffers);
  return attention_plan<MmaSm80Tile<128>>(bf16 ? "attention_mma_sm80_bf16_d128" : "attention_mma_sm80_f16_d128",
                                          problem, buffers);
}

/// Before the first launch on a device; launches then only enqueue.
void prepare_attention_mma_sm80(const AttentionProblem&);

/// Enqueues on `stream`; throws std::runtime_error where the launch is refused.
void launch_attention_mma_sm80(const AttentionProblem&, const AttentionBuffers&, const Target&, Stream);

}  // namespace assay
