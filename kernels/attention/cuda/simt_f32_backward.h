// Host side of simt_f32's backward pass: what it accepts, the workspace it needs, its three launches.  C++17, no CUDA:
// tests use the same launch plans.
#pragma once
#include <vector>

#include "kernels/attention/attention.h"
#include "kernels/attention/cuda/simt_f32_backward_params.h"
#include "kernels/common/launch_plan.h"

namespace assay {

Support attention_simt_f32_backward_support(const AttentionProblem&, const Target&);

using AttentionSimtF32BackwardPlan = LaunchPlan<AttentionSimtF32BackwardParams>;
/// One behind the other on one stream: delta, keys, queries.  `delta`: a workspace of lse_elements() floats, which need
/// not be cleared.
std::vector<AttentionSimtF32BackwardPlan> attention_simt_f32_backward_plans(const AttentionProblem&,
                                                                            const AttentionBuffers&, float* delta);

/// Before the first launch on a device; launches then only enqueue.
void prepare_attention_simt_f32_backward(const std::vector<AttentionSimtF32BackwardPlan>&);

/// Enqueues on `stream`; throws std::runtime_error where a launch is refused.
void launch_attention_simt_f32_backward(const std::vector<AttentionSimtF32BackwardPlan>&, Stream);

}  // namespace assay
