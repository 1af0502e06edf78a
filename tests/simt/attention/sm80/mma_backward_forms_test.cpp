// mma_sm80's backward pass in both its forms: what must hold however long and however wide a problem is.
#include <gtest/gtest.h>

#include "tests/simt/attention/sm80/mma_backward_on_simt.h"

namespace assay {
namespace {

using namespace mma_sm80_backward_simt;
using test::GradientInputs, test::Gradients, test::gradient_mismatch, test::constant_logit_gradient_inputs,
    test::normal_gradient_inputs;

bool equal(const Gradients& a, const Gradients& b) { return a.dq == b.dq && a.dk == b.dk && a.dv == b.dv; }

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
  const bool wide = GetParam().head_dim == 256;  // its tiles are half as large
  const AttentionProblem p = problem_of(2, 1, wide ? 90 : 150, wide ? 110 : 230, true);
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
    if (!causal && GetParam().head_dim == 256) continue;  // differs from 128 in tiles, which take long, not in masks
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
                         testing::Values(Form{64, false}, Form{64, true}, Form{128, false}, Form{128, true},
                                         Form{96, true}, Form{256, true}),
                         [](const auto& info) {
                           return simt::format("d%d_%s", int(info.param.head_dim),
                                               info.param.deterministic ? "deterministic" : "fast");
                         });

}  // namespace
}  // namespace assay
