// A warp-specialised forward pass on the functional GPU, through the launch plan of its launcher: wgmma_sm90's or
// tcgen05_sm100's, whichever the program is linked with.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "tests/simt/attention/forward_testing.h"

namespace assay {
namespace {

// --- every part of the kernel, under every policy, in both types
class Cases : public testing::TestWithParam<ForwardCase> {};

TEST_P(Cases, EqualReference) {
  AttentionProblem p = GetParam().problem;
  for (const simt::Async policy : kPolicies) {
    expect_right(p, GetParam().inputs(p), GetParam().multiprocessors, attention_options(policy));
    p.dtype = p.dtype == DType::bf16 ? DType::f16 : DType::bf16;  // they differ in one instruction, not in any index
  }
}
INSTANTIATE_TEST_SUITE_P(Forward, Cases, testing::ValuesIn(forward_cases()),
                         [](const auto& info) { return std::string(info.param.name); });

// --- lengths around the tiles' edges: one row, one key, more queries than keys (causal: rows that see nothing), ...
TEST(Forward, Lengths) {
  struct Lengths {
    std::int64_t seq_q, seq_kv;
  };
  constexpr Lengths kLengths[] = {{1, 1},     {64, 128},  {128, 192}, {239, 1},   {113, 203}, {113, 128},
                                  {128, 217}, {108, 256}, {1, 300},   {256, 113}, {129, 127}, {256, 256},
                                  {65, 65},   {257, 256}, {385, 65},  {16, 129}};
  unsigned seed = 0;
  for (const Lengths& length : kLengths)
    for (const bool causal : {false, true}) {
      const AttentionProblem p = two_heads(seed % 4 == 0 ? 64 : 128, length.seq_q, length.seq_kv, causal);
      expect_right(p, normal_inputs(p, seed), 1, attention_options(kPolicies[seed % 3]));
      ++seed;
    }
}

// --- the same problem under other schedules and on other grids
TEST(Forward, NeitherScheduleNorGridChangesABit) {
  for (const char* name : {"causal", "packed"}) {
    const AttentionProblem& p = case_named(forward_cases(), name).problem;
    const AttentionInputs inputs = normal_inputs(p, 5);
    const AttentionOutputs first = run_forward(p, inputs, 1);
    const auto same = [&](int multiprocessors, const simt::Options& options) {
      const AttentionOutputs other = run_forward(p, inputs, multiprocessors, options);
      EXPECT_EQ(first.o, other.o) << name;
      EXPECT_TRUE(same_bits(first.lse, other.lse)) << name;
    };
    same(3, attention_options(simt::Async::Eager));
    same(kMultiprocessors, attention_options(simt::Async::Lazy));
    for (std::uint64_t seed = 1; seed <= 3; ++seed) same(2, attention_options(simt::Async::Random, seed));
  }
}

// --- values
TEST(Forward, AHiddenKeyHasNoInfluence) {
  AttentionProblem p = two_heads(128, 140, 300, true);
  p.window = 90;
  AttentionInputs inputs = normal_inputs(p, 6);
  const AttentionOutputs before = run_forward(p, inputs, 1);
  constexpr std::int64_t kFirst = 130, kLast = 199;  // changed: all are hidden from some queries on either side
  for (std::int64_t j = kFirst; j <= kLast; ++j)
    for (std::int64_t d = 0; d < p.head_dim; ++d) {
      store_element(p.dtype, inputs.k.data(), p.k_index(0, j, 0) + d, 9.0 - double(d % 5));
      store_element(p.dtype, inputs.v.data(), p.v_index(0, j, 0) + d, -100.0 + double(j));
    }
  const AttentionOutputs after = run_forward(p, inputs, 1);
  const std::size_t row_bytes = static_cast<std::size_t>(p.value_dim()) * size_bytes(p.dtype);
  std::int64_t blind_rows = 0;
  for (std::int64_t h = 0; h < p.heads; ++h)
    for (std::int64_t i = 0; i < p.seq_q; ++i) {
      const KeyRange seen = p.visible_keys(0, i);
      const bool blind = seen.end <= kFirst || seen.begin > kLast;
      blind_rows += blind;
      const std::size_t row = static_cast<std::size_t>(p.o_index(0, i, h)) * size_bytes(p.dtype);
      const auto at = static_cast<std::size_t>(p.lse_index(0, h, i));
      EXPECT_EQ(std::memcmp(&before.o[row], &after.o[row], row_bytes) == 0, blind) << "head " << h << " query " << i;
      EXPECT_EQ(std::memcmp(&before.lse[at], &after.lse[at], sizeof(float)) == 0, blind)
          << "head " << h << " query " << i;
    }
  EXPECT_GT(blind_rows, 20);
  EXPECT_LT(blind_rows, p.heads * p.seq_q - 20);
}

TEST(Forward, ExtremeLogits) {
  for (const bool causal : {false, true}) {
    const AttentionProblem p = two_heads(128, 70, 192, causal);
    for (const double logit : {-120.0, 120.0, -3000.0}) {  // exp of the raw score under- or overflows
      AttentionInputs inputs = normal_inputs(p, 7);
      const double root = std::sqrt(std::abs(logit) / p.scale());  // q_0 k_0 scale = logit
      for (std::int64_t i = 0; i < p.q_elements(); i += p.head_dim) store_element(p.dtype, inputs.q.data(), i, root);
      for (std::int64_t i = 0; i < p.k_elements(); i += p.head_dim)
        store_element(p.dtype, inputs.k.data(), i, logit < 0 ? -root : root);
      expect_right(p, inputs, 1);
    }
    expect_right(p, normal_inputs(p, 8, 30, 30), 1);  // scores of thousands: one key takes all
    expect_right(p, normal_inputs(p, 9, 0, 1), 1);    // all scores equal: no maximum ever grows
    AttentionInputs outlier = normal_inputs(p, 10);
    for (std::int64_t d = 0; d < p.head_dim; ++d)  // one key far above the rest, in the tile that comes last
      store_element(p.dtype, outlier.k.data(), p.k_index(0, 10, 0) + d,
                    50 * load_element(p.dtype, outlier.q.data(), p.q_index(0, 60, 1) + d));
    expect_right(p, outlier, 1);
  }
}

TEST(Forward, PackedEqualsSeparate) {
  const AttentionProblem& packed = case_named(forward_cases(), "packed").problem;
  const AttentionInputs inputs = normal_inputs(packed, 11);
  const AttentionOutputs together = run_forward(packed, inputs, 2);
  const auto part = [&](const std::vector<unsigned char>& all, std::int64_t first, std::int64_t count) {
    const auto begin = all.begin() + first * static_cast<std::int64_t>(size_bytes(packed.dtype));
    return std::vector<unsigned char>(begin, begin + count * static_cast<std::int64_t>(size_bytes(packed.dtype)));
  };
  for (std::int64_t b = 0; b < packed.batch; ++b) {
    if (packed.queries(b) == 0) continue;
    AttentionProblem p = two_heads(packed.head_dim, packed.queries(b), packed.keys(b), packed.causal);
    const AttentionInputs own{part(inputs.q, packed.q_index(b, 0, 0), p.q_elements()),
                              part(inputs.k, packed.k_index(b, 0, 0), p.k_elements()),
                              part(inputs.v, packed.v_index(b, 0, 0), p.v_elements())};
    const AttentionOutputs alone = run_forward(p, own, 1);
    EXPECT_EQ(part(together.o, packed.o_index(b, 0, 0), p.o_elements()), alone.o) << "sequence " << b;
    for (std::int64_t h = 0; h < p.heads; ++h)
      for (std::int64_t i = 0; i < p.seq_q; ++i)
        EXPECT_EQ(std::memcmp(&together.lse[static_cast<std::size_t>(packed.lse_index(b, h, i))],
                              &alone.lse[static_cast<std::size_t>(p.lse_index(0, h, i))], sizeof(float)),
                  0)
            << "sequence " << b << " head " << h << " query " << i;
  }
}

TEST(Forward, NoKeysAtAll) {
  for (const AttentionProblem& p :
       {two_heads(128, 140, 0, true), packed_problem(two_heads(64, 0, 0, false), {3, 0, 200}, {0, 0, 0})})
    expect_right(p, normal_inputs(p, 12), 2);
}

}  // namespace
}  // namespace assay
