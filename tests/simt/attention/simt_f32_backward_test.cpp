// simt_f32's backward pass on the functional GPU, through the launch plans of its launcher, with a workspace full of
// NaN.
#include <gtest/gtest.h>

#include "kernels/attention/cuda/simt_f32_backward.h"
#include "tests/simt/attention/gradients_on_simt.h"

namespace assay {
namespace {

using test::GradientInputs, test::Gradients, test::gradient_case_name, test::gradient_mismatch,
    test::normal_gradient_inputs;

AttentionProblem problem(std::int64_t head_dim, std::int64_t heads, std::int64_t kv_heads, std::int64_t seq_q,
                         std::int64_t seq_kv, bool causal) {
  AttentionProblem p;
  p.pass = AttentionPass::backward, p.head_dim = head_dim, p.heads = heads, p.kv_heads = kv_heads;
  p.seq_q = seq_q, p.seq_kv = seq_kv, p.causal = causal, p.deterministic = true;
  return p;
}

/// Fails where a kernel has bank conflicts.  Random also runs blocks in a random order and checks global memory.
Gradients run_backward(const AttentionProblem& p, const GradientInputs& inputs, simt::Async async = simt::Async::Lazy,
                       std::uint64_t seed = 1, unsigned most_z = 0) {
  static const simt::ptx::Module module(simt::ptx::ptx_text(ASSAY_PTX_DIR, "attention_simt_f32_backward"));
  GradientsOnSimt device(p, inputs);
  float* delta = device.heap().poisoned<float>(static_cast<std::size_t>(p.lse_elements()));
  simt::Options options = gradient_options(device.heap(), async, seed);
  if (async == simt::Async::Random) options.cta_order = simt::CtaOrder::Random, options.global_races = true;
  for (AttentionSimtF32BackwardPlan& plan : attention_simt_f32_backward_plans(p, device.buffers(), delta)) {
    if (most_z > 0) {  // as if the grid's z ended there
      const unsigned folds = (plan.grid.z + most_z - 1) / most_z;
      plan.grid.x *= folds, plan.grid.z = (plan.grid.z + folds - 1) / folds;
    }
    const simt::Stats stats = simt::launch(module.kernel(plan.kernel), plan, options);
    EXPECT_EQ(stats.bank_conflicts, 0u) << "bank conflicts in " << plan.kernel;
  }
  return device.download();
}

void expect_same(const Gradients& a, const Gradients& b) {
  EXPECT_TRUE(a.dq == b.dq) << "wrong result: dq differs";
  EXPECT_TRUE(a.dk == b.dk) << "wrong result: dk differs";
  EXPECT_TRUE(a.dv == b.dv) << "wrong result: dv differs";
}

AttentionProblem with_window(AttentionProblem p, std::int64_t window) {
  p.window = window;
  return p;
}
AttentionProblem packed(AttentionProblem p, std::vector<std::int64_t> q_offsets, std::vector<std::int64_t> kv_offsets) {
  p.batch = std::int64_t(q_offsets.size()) - 1;
  p.q_offsets = std::move(q_offsets), p.kv_offsets = std::move(kv_offsets);
  return p;
}
AttentionProblem of_batch(AttentionProblem p, std::int64_t batch) {
  p.batch = batch;
  return p;
}

/// Lengths that fill no tile, or exactly one; one row, one key; more queries than keys (causal: rows, and tiles, that
/// see nothing); grouped heads; windows within a tile and over several; packed sequences, some without queries, keys or
/// both.  Width 128 costs twice what 64 does, and has no index of its own that 64 and 96 lack.
std::vector<AttentionProblem> problems() {
  return {problem(64, 1, 1, 1, 1, false),
          problem(64, 2, 1, 64, 64, true),
          of_batch(problem(64, 4, 2, 20, 70, false), 2),
          problem(64, 3, 1, 70, 100, true),
          problem(64, 2, 2, 150, 60, true),
          problem(64, 1, 1, 1, 130, true),
          with_window(problem(64, 2, 1, 90, 200, true), 1),
          with_window(problem(64, 1, 1, 130, 150, true), 40),
          with_window(problem(64, 1, 1, 150, 150, true), 100),
          packed(problem(64, 2, 1, 70, 80, true), {0, 37, 37, 54, 54, 124, 125}, {0, 70, 90, 90, 90, 97, 100}),
          packed(with_window(problem(64, 2, 1, 70, 80, true), 33), {0, 9, 79}, {0, 0, 80}),
          problem(96, 1, 1, 65, 70, true),
          problem(96, 1, 1, 40, 129, false),
          problem(128, 1, 1, 66, 70, true),
          problem(128, 1, 1, 20, 65, false)};
}

class Shapes : public testing::TestWithParam<AttentionProblem> {};

TEST_P(Shapes, EqualsReference) {
  const AttentionProblem& p = GetParam();
  constexpr simt::Async kPolicies[] = {simt::Async::Lazy, simt::Async::Eager, simt::Async::Random};
  const GradientInputs inputs = normal_gradient_inputs(p, 1);
  EXPECT_EQ(gradient_mismatch(p, inputs, run_backward(p, inputs, kPolicies[(p.seq_q + p.seq_kv + p.window) % 3])), "");
}
INSTANTIATE_TEST_SUITE_P(SimtF32Backward, Shapes, testing::ValuesIn(problems()),
                         [](const auto& info) { return gradient_case_name(info.param); });

TEST(SimtF32Backward, SchedulesChangeNoBit) {
  const AttentionProblem p = problem(64, 2, 1, 66, 70, true);
  const GradientInputs inputs = normal_gradient_inputs(p, 5);
  const Gradients first = run_backward(p, inputs);
  EXPECT_EQ(gradient_mismatch(p, inputs, first), "");
  expect_same(first, run_backward(p, inputs, simt::Async::Eager));
  expect_same(first, run_backward(p, inputs, simt::Async::Random, 2));
}

TEST(SimtF32Backward, AHiddenKeyHasNoInfluenceAndNoGradient) {
  const AttentionProblem p = with_window(problem(64, 1, 1, 70, 150, true), 40);  // keys 0 .. 40 are seen by nobody
  constexpr std::int64_t kHidden = 41;
  GradientInputs inputs = normal_gradient_inputs(p, 6);
  const Gradients before = run_backward(p, inputs);
  for (std::int64_t e = 0; e < kHidden * p.head_dim; ++e) {
    store_element(p.dtype, inputs.k.data(), e, 9.0 - double(e % 5));
    store_element(p.dtype, inputs.v.data(), e, -100.0 + double(e % 301));
    EXPECT_EQ(load_element(p.dtype, before.dk.data(), e), 0) << "wrong result: dk element " << e;
    EXPECT_EQ(load_element(p.dtype, before.dv.data(), e), 0) << "wrong result: dv element " << e;
  }
  expect_same(before, run_backward(p, inputs));
  EXPECT_NE(load_element(p.dtype, before.dv.data(), kHidden * p.head_dim), 0) << "wrong result: a key that is seen";
}

TEST(SimtF32Backward, RowsThatSeeNothingGiveAndGetNothing) {
  const AttentionProblem p = problem(64, 2, 2, 110, 40, true);  // queries 0 .. 69 see nothing
  GradientInputs inputs = normal_gradient_inputs(p, 7);
  const Gradients before = run_backward(p, inputs);
  EXPECT_EQ(gradient_mismatch(p, inputs, before), "");
  for (std::int64_t e = 0; e < 70 * p.heads * p.head_dim; ++e) {
    EXPECT_EQ(load_element(p.dtype, before.dq.data(), e), 0) << "wrong result: dq element " << e;
    store_element(p.dtype, inputs.q.data(), e, 50.0 - double(e % 7));
    store_element(p.dtype, inputs.d_o.data(), e, double(e % 11) - 1000.0);
  }
  expect_same(before, run_backward(p, inputs));
}

TEST(SimtF32Backward, ExtremeLogits) {
  const AttentionProblem p = problem(64, 1, 1, 30, 97, false);  // 2^-lse of a key not there overflows below -88
  const auto expect_right = [&](const GradientInputs& inputs) {
    EXPECT_EQ(gradient_mismatch(p, inputs, run_backward(p, inputs)), "");
  };
  for (const double logit : {-120.0, 120.0, -3000.0}) expect_right(test::constant_logit_gradient_inputs(p, 8, logit));
  expect_right(normal_gradient_inputs(p, 9, 30, 30));  // scores of thousands: one key takes all
}

TEST(SimtF32Backward, NothingToDo) {
  const AttentionProblem no_keys = problem(64, 2, 1, 20, 0, false), no_queries = problem(64, 2, 1, 0, 20, true);
  const std::vector<unsigned char> dq = run_backward(no_keys, normal_gradient_inputs(no_keys, 12)).dq;
  const Gradients zero = run_backward(no_queries, normal_gradient_inputs(no_queries, 13));
  for (const auto* all : {&dq, &zero.dk, &zero.dv}) {
    EXPECT_EQ(all->size(), (all == &dq ? 2 : 1) * 20 * 64 * sizeof(float)) << "heads, rows, columns";
    for (const unsigned char byte : *all) EXPECT_EQ(byte, 0);
  }
}

/// A batch longer than the grid's z is folded into x, and the last fold reaches past it.
TEST(SimtF32Backward, FoldedBatch) {
  const AttentionProblem p = of_batch(problem(64, 1, 1, 5, 68, true), 5);
  const GradientInputs inputs = normal_gradient_inputs(p, 14);
  expect_same(run_backward(p, inputs), run_backward(p, inputs, simt::Async::Lazy, 1, 2));
}

// --- host side
Target gpu(int capability, int shared_kib) {
  Target target;
  target.device = Device::gpu, target.compute_capability = capability;
  target.shared_bytes_per_block = static_cast<std::size_t>(shared_kib) * 1024;
  return target;
}

TEST(SimtF32Backward, RefusalsSayWhy) {
  AttentionProblem p = problem(128, 4, 2, 100, 100, true);
  Target target = gpu(80, 163);  // A100
  const auto reason = [&] { return attention_simt_f32_backward_support(p, target).reason; };
  for (const std::int64_t head_dim : {64, 96, 128}) {
    p.head_dim = head_dim;
    EXPECT_EQ(reason(), "") << head_dim;
  }
  target = gpu(86, 99);
  EXPECT_EQ(reason(), "needs 152576 bytes of shared memory a block, the device has 101376");
  p.head_dim = 64;
  EXPECT_EQ(reason(), "");
  target = gpu(75, 163);
  EXPECT_NE(reason().find("sm_80"), std::string::npos) << reason();
  target = gpu(80, 163), p.head_dim = 80;
  EXPECT_EQ(reason(), "backward has head_dim 64, 96 and 128, not 80");
  p.head_dim = 128, p.head_dim_v = 64;
  EXPECT_EQ(reason(), "takes values only as wide as queries and keys");
  p.head_dim_v = 0, p.seq_kv = std::int64_t(1) << 29;
  EXPECT_EQ(reason(), "sequences must be shorter than 2^29");
  p.seq_kv = p.seq_q = 1000, p.batch = (std::int64_t(1) << 31) - 70000;
  EXPECT_EQ(reason(), "");
  p.seq_kv = std::int64_t(1) << 23;
  EXPECT_EQ(reason(), "batch * key tiles / 65535 must be below 2^31");
}

TEST(SimtF32Backward, PlansGrowWithTheProblem) {
  AttentionProblem p = of_batch(problem(128, 64, 8, 1000, 131072, true), 70000);
  const auto plans = attention_simt_f32_backward_plans(p, {}, nullptr);
  ASSERT_EQ(plans.size(), 3u);
  EXPECT_STREQ(plans[1].kernel, "attention_simt_f32_backward_keys_d128");
  EXPECT_EQ(plans[1].grid.x, 2 * 2048u);
  EXPECT_EQ(plans[1].grid.y, 8u);
  EXPECT_EQ(plans[1].grid.z, 35000u);
  EXPECT_EQ(plans[2].grid.x, 2 * 16u);
  EXPECT_EQ(plans[2].grid.y, 64u);
  p = packed(p, {0, 5, 5}, {0, 0, 1000});
  EXPECT_EQ(attention_simt_f32_backward_plans(p, {}, nullptr)[1].grid.x, 16u);
}

TEST(SimtF32Backward, IsTheTablesBackwardPass) {
  const AttentionProblem p = problem(64, 2, 1, 33, 100, true);
  for (const AttentionKernel& row : attention_kernels()) {
    if (row.name != "simt_f32") continue;
    EXPECT_EQ(row.supports(p, gpu(80, 163)).reason, "");
    EXPECT_EQ(row.explain(p, gpu(80, 163)), "dq by a kernel of its own (7 products), 264 bytes of workspace");
    return;
  }
  FAIL() << "no row simt_f32";
}

}  // namespace
}  // namespace assay
