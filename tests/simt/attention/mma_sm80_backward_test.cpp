// mma_sm80's backward pass on the functional GPU, through the launch plans of its launcher, with workspaces full of
// NaN.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "kernels/attention/mma_sm80_backward.h"
#include "tests/simt/attention/gradients_on_simt.h"

namespace assay {
namespace {

using test::GradientInputs, test::Gradients, test::gradient_case_name, test::gradient_mismatch,
    test::constant_logit_gradient_inputs, test::normal_gradient_inputs;

Gradients run_backward(const AttentionProblem& p, const GradientInputs& inputs, simt::Async async,
                       std::uint64_t seed = 1) {
  static const simt::ptx::Module module(simt::ptx::ptx_text(ASSAY_PTX_DIR, "attention_mma_sm80_backward"));
  GradientsOnSimt device(p, inputs);
  const auto sizes = attention_mma_sm80_backward_workspace(p);
  const auto floats = [&](std::int64_t count) {
    return count == 0 ? nullptr : device.heap().poisoned<float>(static_cast<std::size_t>(count));
  };
  const AttentionBackwardSm80Workspace workspace{floats(sizes.lse_log2), floats(sizes.delta), floats(sizes.dq_sum)};
  simt::Options options = gradient_options(device.heap(), async, seed);
  if (async == simt::Async::Random) options.cta_order = simt::CtaOrder::Random, options.global_races = true;
  for (const AttentionBackwardSm80Plan& plan : attention_mma_sm80_backward_plans(p, device.buffers(), workspace)) {
    const simt::Stats stats = simt::launch(module.kernel(plan.kernel), plan, options);
    EXPECT_EQ(stats.bank_conflicts, 0u) << "bank conflicts in " << plan.kernel;
  }
  return device.download();
}

void expect_right(const AttentionProblem& p, const GradientInputs& inputs, simt::Async async = simt::Async::Lazy,
                  std::uint64_t seed = 1) {
  EXPECT_EQ(gradient_mismatch(p, inputs, run_backward(p, inputs, async, seed)), "") << gradient_case_name(p);
}

bool equal(const Gradients& a, const Gradients& b) { return a.dq == b.dq && a.dk == b.dk && a.dv == b.dv; }

AttentionProblem problem(DType dtype, std::int64_t head_dim, std::int64_t heads, std::int64_t kv_heads,
                         std::int64_t seq_q, std::int64_t seq_kv, bool causal, bool deterministic) {
  AttentionProblem p;
  p.pass = AttentionPass::backward, p.dtype = dtype, p.head_dim = head_dim, p.heads = heads, p.kv_heads = kv_heads;
  p.seq_q = seq_q, p.seq_kv = seq_kv, p.causal = causal, p.deterministic = deterministic;
  return p;
}

// --- lengths that fill no tile, one row, one key, more queries than keys (causal: rows that see nothing), ...
struct Lengths {
  std::int64_t seq_q, seq_kv;
};
constexpr Lengths kLengths[] = {{1, 1},   {239, 1},   {113, 203}, {128, 128}, {128, 217},
                                {1, 300}, {256, 113}, {65, 257},  {200, 64}};

std::vector<AttentionProblem> edge_problems() {
  std::vector<AttentionProblem> problems;
  for (std::int64_t length = 0; length < std::int64_t(std::size(kLengths)); ++length)
    for (const bool causal : {false, true}) {
      // Every combination would take minutes; neighbours differ in width, form, heads and type.
      const bool wide = (length + causal) % 2 != 0, deterministic = (length / 2 + causal) % 2 != 0;
      const std::int64_t index = 2 * length + causal, kv_heads = index % 3 == 0 ? 2 : 1, heads = index % 3 == 2 ? 3 : 2;
      problems.push_back(problem(index % 5 == 3 ? DType::f16 : DType::bf16, wide ? 128 : 64, heads, kv_heads,
                                 kLengths[length].seq_q, kLengths[length].seq_kv, causal, deterministic));
      problems.back().batch = kv_heads;
    }
  return problems;
}

/// Windows shorter than a tile, as long as several, and of one key.
std::vector<AttentionProblem> window_problems() {
  std::vector<AttentionProblem> problems;
  for (const bool deterministic : {false, true})
    for (const std::int64_t window : {1, 50, 150, 200}) {
      AttentionProblem p =
          problem(DType::bf16, window == 1 || window == 150 ? 64 : 128, 2, 1, 200, 290, true, deterministic);
      p.window = window;
      problems.push_back(p);
    }
  return problems;
}

/// Sequences with no queries, no keys, neither; more queries than keys; an odd start of every row of lse.
std::vector<AttentionProblem> packed_problems() {
  std::vector<AttentionProblem> problems;
  for (const bool deterministic : {false, true})
    for (const std::int64_t window : {0, 40}) {
      AttentionProblem p = problem(DType::bf16, window == 0 ? 64 : 128, 4, 2, 130, 140, true, deterministic);
      p.batch = 7, p.window = window;
      p.q_offsets = {0, 37, 37, 54, 54, 184, 191, 191}, p.kv_offsets = {0, 70, 90, 90, 90, 230, 231, 240};
      problems.push_back(p);
    }
  problems.back().causal = false, problems.back().window = 0;
  return problems;
}

/// Values narrower than queries and keys.
std::vector<AttentionProblem> value_problems() {
  std::vector<AttentionProblem> problems;
  for (const bool deterministic : {false, true}) {
    AttentionProblem p =
        problem(deterministic ? DType::f16 : DType::bf16, 192, 2, 1, 90, 150, deterministic, deterministic);
    p.head_dim_v = 128;
    problems.push_back(p);
    p.causal = true, p.dtype = DType::bf16, p.batch = 3, p.window = 100;
    p.q_offsets = {0, 90, 90, 120}, p.kv_offsets = {0, 150, 160, 180};
    problems.push_back(p);
  }
  return problems;
}

class Shapes : public testing::TestWithParam<AttentionProblem> {};

TEST_P(Shapes, EqualsReference) {
  const AttentionProblem& p = GetParam();
  constexpr simt::Async kPolicies[] = {simt::Async::Lazy, simt::Async::Eager, simt::Async::Random};
  expect_right(p, normal_gradient_inputs(p, 1), kPolicies[(p.seq_q + p.seq_kv + p.window + p.causal) % 3]);
}

std::string shape_name(const testing::TestParamInfo<AttentionProblem>& info) { return gradient_case_name(info.param); }
INSTANTIATE_TEST_SUITE_P(Edges, Shapes, testing::ValuesIn(edge_problems()), shape_name);
INSTANTIATE_TEST_SUITE_P(Windows, Shapes, testing::ValuesIn(window_problems()), shape_name);
INSTANTIATE_TEST_SUITE_P(Packed, Shapes, testing::ValuesIn(packed_problems()), [](const auto& info) {
  return gradient_case_name(info.param) + "_" + std::to_string(info.index);
});

INSTANTIATE_TEST_SUITE_P(Values, Shapes, testing::ValuesIn(value_problems()), shape_name);

// --- both widths, both forms
struct Form {
  std::int64_t head_dim;
  bool deterministic;
};
class Forms : public testing::TestWithParam<Form> {
 protected:
  AttentionProblem problem_of(std::int64_t heads, std::int64_t kv_heads, std::int64_t seq_q, std::int64_t seq_kv,
                              bool causal) const {
    return problem(DType::bf16, GetParam().head_dim, heads, kv_heads, seq_q, seq_kv, causal, GetParam().deterministic);
  }
};

TEST_P(Forms, SchedulesChangeNoBitOfWhatIsDeterministic) {
  const AttentionProblem p = problem_of(2, 1, 150, 230, true);
  const GradientInputs inputs = normal_gradient_inputs(p, 5);
  const Gradients first = run_backward(p, inputs, simt::Async::Lazy);
  EXPECT_EQ(gradient_mismatch(p, inputs, first), "");
  const auto same = [&](simt::Async async, std::uint64_t seed) {
    const Gradients other = run_backward(p, inputs, async, seed);
    EXPECT_EQ(first.dk, other.dk);
    EXPECT_EQ(first.dv, other.dv);
    if (p.deterministic) {
      EXPECT_EQ(first.dq, other.dq);
    }
  };
  same(simt::Async::Lazy, 1);
  same(simt::Async::Eager, 1);
  for (std::uint64_t seed = 1; seed <= 2; ++seed) same(simt::Async::Random, seed);
}

TEST_P(Forms, AHiddenKeyHasNoInfluenceAndNoGradient) {
  AttentionProblem p = problem_of(2, 1, 70, 200, true);
  p.window = 40;  // keys 0 .. 90 are seen by nobody
  GradientInputs inputs = normal_gradient_inputs(p, 6);
  const Gradients before = run_backward(p, inputs, simt::Async::Lazy);
  constexpr std::int64_t kHidden = 91;
  for (std::int64_t e = 0; e < kHidden * p.head_dim; ++e) {
    store_element(p.dtype, inputs.k.data(), e, 9.0 - double(e % 5));
    store_element(p.dtype, inputs.v.data(), e, -100.0 + double(e % 301));
    EXPECT_EQ(load_element(p.dtype, before.dk.data(), e), 0) << "dk element " << e;
    EXPECT_EQ(load_element(p.dtype, before.dv.data(), e), 0) << "dv element " << e;
  }
  EXPECT_TRUE(equal(before, run_backward(p, inputs, simt::Async::Lazy)));
  EXPECT_NE(load_element(p.dtype, before.dv.data(), kHidden * p.head_dim), 0);
}

TEST_P(Forms, RowsThatSeeNothingGiveAndGetNothing) {
  const AttentionProblem p = problem_of(2, 2, 200, 60, true);  // queries 0 .. 139 see nothing
  GradientInputs inputs = normal_gradient_inputs(p, 7);
  const Gradients before = run_backward(p, inputs, simt::Async::Lazy);
  EXPECT_EQ(gradient_mismatch(p, inputs, before), "");
  for (std::int64_t e = 0; e < 140 * p.heads * p.head_dim; ++e) {
    EXPECT_EQ(load_element(p.dtype, before.dq.data(), e), 0) << "dq element " << e;
    store_element(p.dtype, inputs.q.data(), e, 50.0 - double(e % 7));
    store_element(p.dtype, inputs.d_o.data(), e, double(e % 11) - 1000.0);
  }
  EXPECT_TRUE(equal(before, run_backward(p, inputs, simt::Async::Lazy)));
}

TEST_P(Forms, ExtremeLogits) {
  for (const bool causal : {false, true}) {
    const AttentionProblem p = problem_of(1, 1, 64, 192, causal);  // 192 % 128 == 64: half a tile of keys is not there
    for (const double logit : {-120.0, 120.0, -3000.0})            // lse below -88: 2^-lse of a key not there overflows
      expect_right(p, constant_logit_gradient_inputs(p, 8, logit));
    expect_right(p, normal_gradient_inputs(p, 9, 30, 30));  // scores of thousands: one key takes all
    expect_right(p, normal_gradient_inputs(p, 10, 0, 1));   // all scores equal
  }
  for (const bool causal : {false, true}) {  // neither form's tile of keys is whole
    const AttentionProblem one = problem_of(1, 1, 1, 65, causal);
    expect_right(one, constant_logit_gradient_inputs(one, 11, -122));
  }
}

TEST_P(Forms, NothingToDo) {
  AttentionProblem no_keys = problem_of(2, 1, 20, 0, false);
  const GradientInputs queries = normal_gradient_inputs(no_keys, 12);
  for (const unsigned char byte : run_backward(no_keys, queries, simt::Async::Lazy).dq) EXPECT_EQ(byte, 0);
  AttentionProblem no_queries = problem_of(2, 1, 0, 20, true);
  const Gradients zero = run_backward(no_queries, normal_gradient_inputs(no_queries, 13), simt::Async::Lazy);
  for (const unsigned char byte : zero.dk) EXPECT_EQ(byte, 0);
  for (const unsigned char byte : zero.dv) EXPECT_EQ(byte, 0);
}

TEST_P(Forms, PackedSequencesAreAsIfAlone) {
  AttentionProblem p = problem_of(2, 1, 100, 120, true);
  p.batch = 2, p.q_offsets = {0, 45, 145}, p.kv_offsets = {0, 120, 190};
  const GradientInputs inputs = normal_gradient_inputs(p, 14);
  const Gradients together = run_backward(p, inputs, simt::Async::Lazy);
  AttentionProblem alone = problem_of(2, 1, 100, 70, true);
  const auto part = [&](const std::vector<unsigned char>& array, std::int64_t first, std::int64_t count) {
    return std::vector<unsigned char>(array.begin() + first * 2, array.begin() + (first + count) * 2);
  };
  GradientInputs second;
  second.q = part(inputs.q, p.q_index(1, 0, 0), alone.q_elements());
  second.k = part(inputs.k, p.k_index(1, 0, 0), alone.k_elements());
  second.v = part(inputs.v, p.v_index(1, 0, 0), alone.v_elements());
  second.o = part(inputs.o, p.o_index(1, 0, 0), alone.o_elements());
  second.d_o = part(inputs.d_o, p.o_index(1, 0, 0), alone.o_elements());
  for (std::int64_t h = 0; h < p.heads; ++h)
    for (std::int64_t i = 0; i < alone.seq_q; ++i)
      second.lse.push_back(inputs.lse[static_cast<std::size_t>(p.lse_index(1, h, i))]);
  const Gradients expected = run_backward(alone, second, simt::Async::Lazy);
  EXPECT_EQ(part(together.dq, p.q_index(1, 0, 0), alone.q_elements()), expected.dq);
  EXPECT_EQ(part(together.dk, p.k_index(1, 0, 0), alone.k_elements()), expected.dk);
  EXPECT_EQ(part(together.dv, p.v_index(1, 0, 0), alone.v_elements()), expected.dv);
}

INSTANTIATE_TEST_SUITE_P(Backward, Forms,
                         testing::Values(Form{64, false}, Form{64, true}, Form{128, false}, Form{128, true}),
                         [](const auto& info) {
                           return simt::format("d%d_%s", int(info.param.head_dim),
                                               info.param.deterministic ? "deterministic" : "fast");
                         });

// --- host side
Target h100() {
  Target target;
  target.compute_capability = 90, target.shared_bytes_per_block = 227 * 1024;
  return target;
}

TEST(MmaSm80Backward, RefusalsSayWhy) {
  Target target = h100();
  AttentionProblem p = problem(DType::bf16, 128, 4, 2, 100, 100, true, true);
  p.window = 10;
  const auto reason = [&] { return attention_mma_sm80_backward_support(p, target).reason; };
  EXPECT_EQ(reason(), "");
  target.shared_bytes_per_block = 163 * 1024;  // A100
  EXPECT_EQ(reason(), "");
  p.head_dim = 64;
  EXPECT_EQ(reason(), "");
  target.shared_bytes_per_block = 99 * 1024;
  EXPECT_NE(reason().find("shared memory"), std::string::npos) << reason();
  target = h100(), target.compute_capability = 75;
  EXPECT_NE(reason().find("sm_80"), std::string::npos) << reason();
  target = h100(), p.head_dim = 96;
  EXPECT_EQ(reason(), "backward has head_dim 64, 128, and 192 with values of 128, not 96 with values of 96");
  p.head_dim = 128, p.head_dim_v = 64;
  EXPECT_NE(reason().find("not 128 with values of 64"), std::string::npos) << reason();
  p.head_dim = 192, p.head_dim_v = 128;
  EXPECT_EQ(reason(), "");
  p.head_dim = 128;
  p.head_dim_v = 0, p.seq_kv = std::int64_t(1) << 29;
  EXPECT_NE(reason().find("2^29"), std::string::npos) << reason();
  p.seq_kv = 131072, p.batch = 65536;
  EXPECT_NE(reason().find("65535"), std::string::npos) << reason();
  p.batch = 1;
  EXPECT_EQ(reason(), "");
}

TEST(MmaSm80Backward, PlansGrowWithTheProblem) {
  AttentionProblem p = problem(DType::f16, 128, 64, 8, 131072, 131072, true, false);
  p.batch = 3;
  const auto plans = attention_mma_sm80_backward_plans(p, {}, {});
  ASSERT_EQ(plans.size(), 3u);
  EXPECT_STREQ(plans[1].kernel, "attention_mma_sm80_backward_f16_d128");
  EXPECT_EQ(plans[1].grid.x, 1024u);
  EXPECT_EQ(plans[1].grid.y, 8u);
  EXPECT_EQ(plans[1].grid.z, 3u);
  EXPECT_LE(plans[1].shared_bytes, 163u * 1024);
  EXPECT_EQ(plans[2].grid.x, 8192u);
  EXPECT_EQ(attention_mma_sm80_backward_workspace(p).dq_sum, p.q_elements());  // 3.2e9: beyond 32 bits
  p.deterministic = true;
  EXPECT_EQ(attention_mma_sm80_backward_workspace(p).dq_sum, 0);
  EXPECT_STREQ(attention_mma_sm80_backward_plans(p, {}, {})[2].kernel, "attention_mma_sm80_backward_dq_f16_d128");
}

TEST(MmaSm80Backward, IsTheTablesBackwardPass) {
  AttentionProblem p = problem(DType::bf16, 64, 2, 1, 33, 100, true, false);
  for (const AttentionKernel& row : attention_kernels()) {
    if (row.name != "mma_sm80") continue;
    EXPECT_EQ(row.supports(p, h100()).reason, "");
    // lse and delta of 66 rows, three blocks of 16 rows of both heads.
    EXPECT_EQ(row.explain(p, h100()),
              "dq by atomic additions, " + std::to_string((2 * 66 + 3 * 16 * 2 * 64) * 4) + " bytes of workspace");
    p.deterministic = true;
    EXPECT_EQ(row.explain(p, h100()), "dq by a kernel of its own (7 products), 528 bytes of workspace");
    return;
  }
  FAIL() << "no row mma_sm80";
}

}  // namespace
}  // namespace assay
