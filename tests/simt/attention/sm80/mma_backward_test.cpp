// mma_sm80's backward pass on the functional GPU, through the launch plans of its launcher, with workspaces full of
// NaN.
#include <gtest/gtest.h>

#include "tests/simt/attention/sm80/mma_backward_on_simt.h"

namespace assay {
namespace {

using namespace mma_sm80_backward_simt;
using test::gradient_case_name, test::normal_gradient_inputs;

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
    problems.push_back(p);
    p.causal = true, p.dtype = DType::bf16, p.batch = 3, p.window = 100;
    p.q_offsets = {0, 90, 90, 120}, p.kv_offsets = {0, 150, 160, 180};
    problems.push_back(p);
  }
  return problems;
}

/// Widths whose rows and steps are unlike those of 64 and 128, in the fewest problems that reach all that differs.
std::vector<AttentionProblem> width_problems() {
  std::vector<AttentionProblem> problems;
  for (const std::int64_t head_dim : {96, 256})
    for (const bool deterministic : {false, true}) {
      const auto add = [&](DType dtype, std::int64_t seq_q, std::int64_t seq_kv, bool causal) -> AttentionProblem& {
        problems.push_back(problem(dtype, head_dim, 2, 1, seq_q, seq_kv, causal, deterministic));
        return problems.back();
      };
      add(DType::f16, 113, 203, false);
      add(DType::bf16, 65, 257, true);
      add(DType::bf16, 200, 64, true).batch = 2;  // rows that see nothing
      add(DType::bf16, 150, 190, true).window = 50;
      AttentionProblem& packed = add(DType::bf16, 130, 140, true);
      packed.batch = 5;
      packed.q_offsets = {0, 37, 37, 54, 184, 184}, packed.kv_offsets = {0, 70, 90, 90, 230, 240};
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

INSTANTIATE_TEST_SUITE_P(Widths, Shapes, testing::ValuesIn(width_problems()), shape_name);
INSTANTIATE_TEST_SUITE_P(Values, Shapes, testing::ValuesIn(value_problems()), shape_name);

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
  for (const std::int64_t head_dim : {64, 96, 256}) {
    p.head_dim = head_dim, target.shared_bytes_per_block = 163 * 1024;
    EXPECT_EQ(reason(), "");
    target.shared_bytes_per_block = 99 * 1024;  // sm_86, sm_89, sm_120
    EXPECT_NE(reason().find("shared memory"), std::string::npos) << reason();
  }
  target = h100(), target.compute_capability = 75;
  EXPECT_NE(reason().find("sm_80"), std::string::npos) << reason();
  target = h100(), p.head_dim = 80;
  EXPECT_EQ(reason(), "backward has head_dim 64, 96, 128, 256, and 192 with values of 128, not 80 with values of 80");
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
