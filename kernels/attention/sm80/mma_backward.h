// Host side of mma_sm80's backward pass: what it accepts, the workspaces it needs, its three launches.  C++17, no CUDA:
// tests use the same launch plans.
#pragma once
#include <string>
#include <vector>

#include "kernels/attention/attention.h"
#include "kernels/attention/sm80/mma_backward_params.h"
#include "kernels/common/launch_plan.h"

namespace assay {

Support attention_mma_sm80_backward_support(const AttentionProblem&, const Target&);

/// Floats of each workspace, which need not be cleared; dq_sum is 0 in the deterministic form.
struct AttentionBackwardSm80WorkspaceSizes {
  std::int64_t lse_log2 = 0, delta = 0, dq_sum = 0;
};
AttentionBackwardSm80WorkspaceSizes attention_mma_sm80_backward_workspace(const AttentionProblem&);

struct AttentionBackwardSm80Workspace {
  float* lse_log2 = nullptr;
  float* delta = nullptr;
  float* dq_sum = nullptr;  // null: the deterministic form
};

using AttentionBackwardSm80Plan = LaunchPlan<AttentionBackwardSm80Params>;
/// One behind the other on one stream: prepare, main, convert (or dq, where the problem is deterministic); without
/// those that have nothing to do.
std::vector<AttentionBackwardSm80Plan> attention_mma_sm80_backward_plans(const AttentionProblem&,
                                                                         const AttentionBuffers&,
                                                                         const AttentionBackwardSm80Workspace&);

/// Before the first launch on a device; launches then only enqueue.
void prepare_attention_mma_sm80_backward(const std::vector<AttentionBackwardSm80Plan>&);

/// Enqueues on `stream`; throws std::runtime_error where a launch is refused.
void launch_attention_mma_sm80_backward(const std::vector<AttentionBackwardSm80Plan>&, Stream);

}  // namespace assay
