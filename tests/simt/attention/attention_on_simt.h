// Attention kernels on the functional GPU: inputs, a run with poisoned outputs, comparison with the fp64 reference.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/attention/attention.h"
#include "kernels/attention/cuda_params.h"
#include "kernels/common/launch_plan.h"
#include "tests/simt/simt.h"

namespace assay {

/// Host arrays in the problem's type, as raw bytes.
struct AttentionInputs {
  std::vector<unsigned char> q, k, v;
};
/// Standard normal times the given factors.
AttentionInputs normal_inputs(const AttentionProblem&, unsigned seed, double q_factor = 1, double k_factor = 1);
/// The same, with every score of every query `logit` plus or minus about one.
AttentionInputs constant_logit_inputs(const AttentionProblem&, unsigned seed, double logit);

struct AttentionOutputs {
  std::vector<unsigned char> o;
  std::vector<float> lse;
  std::uint64_t bank_conflicts = 0;
};

using AttentionPlan = LaunchPlan<AttentionKernelParams>;
/// The launch plan that the launcher of the problem's type uses: simt_f32's for f32, mma_sm80's else.
AttentionPlan plan_for(const AttentionProblem&, const AttentionBuffers&);

/// Races, fences, bounds and uninitialised reads are checked; Random also shuffles the order of warps.
simt::Options attention_options(simt::Async, std::uint64_t seed = 1);

/// Runs the problem's kernel; o and lse hold NaN before.  `edit` may change the launch plan.
AttentionOutputs run_attention(const AttentionProblem&, const AttentionInputs&, simt::Options,
                               void (*edit)(AttentionPlan&) = nullptr);

/// Empty where every element of o and lse is within the error that the reference allows.
std::string attention_mismatch(const AttentionProblem&, const AttentionInputs&, const AttentionOutputs&);

std::string describe(const AttentionProblem&);

}  // namespace assay
