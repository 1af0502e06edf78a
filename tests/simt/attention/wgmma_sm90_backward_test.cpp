// wgmma_sm90's backward pass on the functional GPU, through the launch plans of its launcher.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "kernels/attention/wgmma_sm90_backward.h"
#include "tests/simt/attention/gradients_on_simt.h"
#include "tests/simt/tensor_map_encoder.h"

namespace assay {
namespace {

using test::GradientInputs;
using test::Gradients;

const simt::ptx::Module& module() {
  static const simt::ptx::Module ptx(simt::ptx_text(ASSAY_PTX_DIR, "wgmma_sm90_backward"));
  return ptx;
}

struct Outcome {
  Gradients gradients;
  std::uint64_t bank_conflicts = 0;
};

/// Outputs and workspace hold NaN before.
Outcome run(const AttentionProblem& p, const GradientInputs& inputs, simt::Async async, std::uint64_t seed = 1,
            simt::CtaOrder order = simt::CtaOrder::Sequential, unsigned resident = 16) {
  GradientsOnSimt arrays(p, inputs);
  simt::Options options = gradient_options(arrays.heap(), async, seed);
  options.cta_order = order, options.max_resident_clusters = resident;
  void* workspace = arrays.heap().allocate(wgmma_sm90_backward_workspace_bytes(p));
  Outcome outcome;
  for (const WgmmaSm90BackwardPlan& plan : plan_wgmma_sm90_backward(p, arrays.buffers(), workspace, encode_tensor_map))
    if (plan.grid.x > 0)
      outcome.bank_conflicts += simt::launch(module().kernel(plan.kernel), plan, options).bank_conflicts;
  outcome.gradients = arrays.download();
  return outcome;
}

void expect_right(const AttentionProblem& p, const GradientInputs& inputs, simt::Async async) {
  const Outcome outcome = run(p, inputs, async, 3);
  EXPECT_EQ(test::gradient_mismatch(p, inputs, outcome.gradients), "") << test::gradient_case_name(p);
  EXPECT_EQ(outcome.bank_conflicts, 0u) << "bank conflicts in " << test::gradient_case_name(p);
}

struct Kind {
  DType dtype;
  std::int64_t head_dim;
};
constexpr Kind kKinds[] = {{DType::bf16, 128}, {DType::bf16, 64}, {DType::f16, 128}, {DType::f16, 64}};

struct Heads {
  std::int64_t batch, heads, kv_heads;
};
constexpr Heads kMha = {2, 2, 2}, kGqa = {1, 4, 2}, kMqa = {1, 3, 1}, kOne = {1, 1, 1};

AttentionProblem make_problem(Kind kind, Heads heads, std::int64_t seq_q, std::int64_t seq_kv, bool causal) {
  AttentionProblem p;
  p.pass = AttentionPass::backward;
  p.batch = heads.batch, p.heads = heads.heads, p.kv_heads = heads.kv_heads;
  p.seq_q = seq_q, p.seq_kv = seq_kv, p.head_dim = kind.head_dim, p.causal = causal, p.dtype = kind.dtype;
  return p;
}

std::string kind_name(const testing::TestParamInfo<Kind>& info) {
  return simt::format("%s_d%d", name(info.param.dtype), int(info.param.head_dim));
}

// --- lengths that fill no tile, one row, one key, more queries than keys (causal: rows that see nothing), ...
struct Lengths {
  std::int64_t seq_q, seq_kv;
};
constexpr Lengths kLengths[] = {{1, 1},     {64, 128},  {239, 1},   {113, 203}, {128, 128}, {1, 300},
                                {108, 256}, {200, 333}, {256, 113}, {65, 65},   {300, 129}, {384, 256}};

class Shapes : public testing::TestWithParam<std::tuple<Kind, std::size_t, bool>> {};

TEST_P(Shapes, EqualsReference) {
  const auto& [kind, index, causal] = GetParam();
  // Every combination with every policy and head count would take minutes; neighbours differ in all of them.
  constexpr Heads kHeads[] = {kMqa, kGqa, kMha};
  constexpr simt::Async kPolicies[] = {simt::Async::Lazy, simt::Async::Eager, simt::Async::Random};
  AttentionProblem p = make_problem(kind, kHeads[index % 3], kLengths[index].seq_q, kLengths[index].seq_kv, causal);
  p.deterministic = (index / 2 + causal) % 2;
  expect_right(p, test::normal_gradient_inputs(p, unsigned(index) + 1), kPolicies[(index / 3 + causal) % 3]);
}

std::string shape_name(const testing::TestParamInfo<Shapes::ParamType>& info) {
  const auto& [kind, index, causal] = info.param;
  return simt::format("%s_d%d_%dx%d%s", name(kind.dtype), int(kind.head_dim), int(kLengths[index].seq_q),
                      int(kLengths[index].seq_kv), causal ? "_causal" : "");
}
constexpr Kind kEveryLength[] = {{DType::bf16, 128}, {DType::bf16, 64}};
INSTANTIATE_TEST_SUITE_P(Backward, Shapes,
                         testing::Combine(testing::ValuesIn(kEveryLength),
                                          testing::Range<std::size_t>(0, std::size(kLengths)), testing::Bool()),
                         shape_name);
// fp16 differs from bf16 in instructions, not in any index.
constexpr Kind kSomeLengths[] = {{DType::f16, 128}, {DType::f16, 64}};
INSTANTIATE_TEST_SUITE_P(BackwardToo, Shapes,
                         testing::Combine(testing::ValuesIn(kSomeLengths), testing::Values<std::size_t>(3, 8),
                                          testing::Bool()),
                         shape_name);

}  // namespace
}  // namespace assay
