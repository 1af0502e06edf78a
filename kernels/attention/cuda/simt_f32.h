// Host side of simt_f32.cuh: how it is launched.  C++17, no CUDA: tests use the same launch plan.
#pragma once
#include "kernels/attention/attention.h"
#include "kernels/attention/cuda/params.h"
#include "kernels/attention/cuda/plan.h"
#include "kernels/common/launch_plan.h"

namespace assay {

inline LaunchPlan<AttentionKernelParams> attention_simt_f32_plan(const AttentionProblem& problem,
                                                                 const AttentionBuffers& buffers) {
  switch (problem.head_dim) {
    case 64:
      return attention_plan<SimtF32Tile<64>>("attention_simt_f32_d64", problem, buffers);
    case 96:
      return attention_plan<SimtF32Tile<96>>("attention_simt_f32_d96", problem, buffers);
    default:
      return attention_plan<SimtF32Tile<128>>("attention_simt_f32_d128", problem, buffers);
  }
}

/// Before the first launch on a device; launches then only enqueue.
void prepare_attention_simt_f32(const AttentionProblem&);

/// Enqueues on `stream`; throws std::runtime_error where the launch is refused.
void launch_attention_simt_f32(const AttentionProblem&, const AttentionBuffers&, const Target&, Stream);

}  // namespace assay
