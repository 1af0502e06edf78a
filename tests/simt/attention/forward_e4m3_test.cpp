// A warp-specialised forward pass in e4m3 on the functional GPU: wgmma_sm90's or tcgen05_sm100's, whichever the program
// is linked with.
#include <gtest/gtest.h>

#include "tests/simt/attention/forward_testing.h"

namespace assay {
namespace {

/// Of 256 queries and keys of one head: query i's largest score is key i's, and takes all.  Its value then comes out as
/// it is, so that a key in another's place is seen whatever rounding may hide.
AttentionInputs one_key_takes_all(const AttentionProblem& p) {
  AttentionInputs inputs = normal_inputs(p, 1, 0, 0);
  for (std::int64_t i = 0; i < 256; ++i) {  // bits of the key's number, in signs: query i's largest score is key i's
    for (std::int64_t bit = 0; bit < 8; ++bit) {
      const double sign = i >> bit & 1 ? 1 : -1;
      store_element(p.dtype, inputs.q.data(), p.q_index(0, i, 0) + bit * 7, 32 * sign);
      store_element(p.dtype, inputs.k.data(), p.k_index(0, i, 0) + bit * 7, 16 * sign);
    }
    for (std::int64_t c = 0; c < p.head_dim; ++c)
      store_element(p.dtype, inputs.v.data(), p.v_index(0, i, 0) + c, double((i * 37 + c * 11) % 31 - 15));
  }
  inputs.v_scale = 1;
  return inputs;
}

void expect_each_keys_own_value(const AttentionProblem& p, const AttentionInputs& inputs,
                                const AttentionOutputs& outputs) {
  for (std::int64_t i = 0; i < 256; ++i)
    for (std::int64_t c = 0; c < p.head_dim; ++c)
      ASSERT_NEAR(load_element(DType::bf16, outputs.o.data(), p.o_index(0, i, 0) + c),
                  load_element(p.dtype, inputs.v.data(), p.v_index(0, i, 0) + c), 1e-20)
          << p.head_dim << " wide, query " << i << ", dimension " << c;
}

class E4m3Cases : public testing::TestWithParam<ForwardCase> {};

TEST_P(E4m3Cases, EqualReference) {
  const AttentionProblem& p = GetParam().problem;
  for (const simt::Async policy : kPolicies)
    expect_right(p, GetParam().inputs(p), GetParam().multiprocessors, attention_options(policy));
}
INSTANTIATE_TEST_SUITE_P(ForwardE4m3, E4m3Cases, testing::ValuesIn(forward_e4m3_cases()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(ForwardE4m3, Lengths) {
  struct Lengths {
    std::int64_t seq_q, seq_kv;
  };
  constexpr Lengths kLengths[] = {{1, 1}, {64, 128}, {239, 1}, {113, 203}, {1, 300}, {256, 113}, {129, 127}, {16, 129}};
  const std::vector<ForwardWidths>& widths = forward_e4m3_widths();
  unsigned seed = 0;
  for (const Lengths& length : kLengths)
    for (const bool causal : {false, true}) {
      const ForwardWidths& width = widths[seed % widths.size()];
      AttentionProblem p = two_heads_e4m3(width.head_dim, length.seq_q, length.seq_kv, causal);
      p.head_dim_v = width.value_dim;
      expect_right(p, normal_inputs(p, seed), 1, attention_options(kPolicies[seed / 2 % 3]));
      ++seed;
    }
}

TEST(ForwardE4m3, EveryKeyMeetsItsOwnValue) {
  for (const ForwardWidths& width : forward_e4m3_widths()) {
    if (width.head_dim != width.value_dim) continue;
    AttentionProblem p = two_heads_e4m3(width.head_dim, 256, 256, false);
    p.heads = 1;
    const AttentionInputs inputs = one_key_takes_all(p);
    expect_each_keys_own_value(p, inputs, run_forward(p, inputs, 1));
  }
}

TEST(ForwardE4m3, NeitherScheduleNorGridChangesABit) {
  const AttentionProblem& p = case_named(forward_e4m3_cases(), "packed").problem;
  const AttentionInputs inputs = normal_inputs(p, 5);
  const AttentionOutputs first = run_forward(p, inputs, 1);
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const AttentionOutputs other =
        run_forward(p, inputs, static_cast<int>(seed), attention_options(simt::Async::Random, seed));
    EXPECT_EQ(first.o, other.o);
    EXPECT_TRUE(same_bits(first.lse, other.lse));
  }
}

TEST(ForwardE4m3, ExtremeLogitsAndFactors) {
  const AttentionProblem p = two_heads_e4m3(128, 70, 300, true);
  expect_right(p, normal_inputs(p, 8, 30, 8), 1);  // scores of hundreds: one key takes all
  expect_right(p, normal_inputs(p, 9, 0, 1), 1);   // all equal
  AttentionInputs inputs = normal_inputs(p, 10);
  inputs.q_scale = 3e-3f, inputs.k_scale = 40, inputs.v_scale = 1e5f;
  expect_right(p, inputs, 1);
  inputs.v_scale = -2e-6f;
  expect_right(p, inputs, 1);
}

TEST(ForwardE4m3, NoKeysAtAll) {
  for (const AttentionProblem& p :
       {two_heads_e4m3(128, 140, 0, true), packed_problem(two_heads_e4m3(64, 0, 0, false), {3, 0, 200}, {0, 0, 0})})
    expect_right(p, normal_inputs(p, 12), 2);
}

}  // namespace
}  // namespace assay
