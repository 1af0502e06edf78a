// Attention kernels on the functional GPU: inputs, a run with poisoned outputs, comparison with the fp64 reference.
//
// A kernel comes in as a SimtForward: its PTX and the function that makes its launch plan, which its launcher uses too.
//   const SimtForward kernel = simt_forward("attention_mma_sm80", attention_mma_sm80_plan);
//   const AttentionInputs inputs = normal_inputs(problem, 1);
//   EXPECT_EQ(attention_mismatch(problem, inputs, run_attention(kernel, problem, inputs, options)), "");
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "kernels/attention/attention.h"
#include "tests/simt/simt.h"

namespace assay {

struct SimtForward {
  /// `heap` holds the buffers; the kernel may want more.
  std::function<simt::Stats(const AttentionProblem&, const AttentionBuffers&, const simt::Options&,
                            simt::DeviceHeap& heap)>
      launch;
};
/// Parsed when first asked for, from ASSAY_PTX_DIR.
const simt::ptx::Module& attention_module(const std::string& ptx);
/// `plan(problem, buffers)` gives a LaunchPlan, which `edit` may change.
template <class Plan, class Edit>
SimtForward simt_forward(const char* ptx, Plan plan, Edit edit) {
  return {
      [=](const AttentionProblem& p, const AttentionBuffers& buffers, const simt::Options& options, simt::DeviceHeap&) {
        auto launch_plan = plan(p, buffers);
        edit(launch_plan);
        return simt::launch(attention_module(ptx).kernel(launch_plan.kernel), launch_plan, options);
      }};
}
template <class Plan>
SimtForward simt_forward(const char* ptx, Plan plan) {
  return simt_forward(ptx, plan, [](auto&) {});
}

/// Host arrays in the problem's type, as raw bytes.
struct AttentionInputs {
  std::vector<unsigned char> q, k, v;
  float q_scale = 0.5f, k_scale = 2, v_scale = 0.375f;  // of 8-bit types
};
/// Standard normal times the given factors.
AttentionInputs normal_inputs(const AttentionProblem&, unsigned seed, double q_factor = 1, double k_factor = 1);
/// The same, with every score of every query `logit` plus or minus about one.
AttentionInputs constant_logit_inputs(const AttentionProblem&, unsigned seed, double logit);

struct AttentionOutputs {
  std::vector<unsigned char> o;
  std::vector<float> lse;
  std::uint64_t bank_conflicts = 0, instructions = 0;  // of warps
};

/// Races, fences, bounds and uninitialised reads are checked; Random also shuffles the order of warps.
simt::Options attention_options(simt::Async, std::uint64_t seed = 1);

/// Runs the kernel; o and lse hold NaN before.  Throws simt::Error at a fault of the machine.
AttentionOutputs run_attention(const SimtForward&, const AttentionProblem&, const AttentionInputs&, simt::Options);

/// Empty where every element of o and lse is within the error that the reference allows; for queries `first_query` and
/// later of each sequence.
std::string attention_mismatch(const AttentionProblem&, const AttentionInputs&, const AttentionOutputs&,
                               std::int64_t first_query = 0);
/// The same of one query; `host` holds q, k, v, their factors if they are scaled, o and lse.
std::string attention_row_mismatch(const AttentionProblem&, const AttentionBuffers& host, std::int64_t b,
                                   std::int64_t h, std::int64_t i);

/// The problem with sequences of these lengths, packed.
AttentionProblem packed_problem(AttentionProblem, const std::vector<std::int64_t>& queries,
                                const std::vector<std::int64_t>& keys);
/// Sequence `b` of a packed problem, or of its inputs or outputs, by itself.
AttentionProblem sequence_of(const AttentionProblem&, std::int64_t b);
AttentionInputs sequence_of(const AttentionProblem&, const AttentionInputs&, std::int64_t b);
AttentionOutputs sequence_of(const AttentionProblem&, const AttentionOutputs&, std::int64_t b);

std::string describe(const AttentionProblem&);

}  // namespace assay
