// Both passes of every CPU row of the attention table against fp64: shapes, widths, windows, packed sequences, and
// values that break careless arithmetic.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/kernels/attention/cpu_launch.h"

namespace assay {
namespace {

using test::AttentionFixture;
using test::check_both;
using test::cpu_flash;
using test::for_each_row;
using test::launch_both;
using test::offsets_of;
using test::text;

// FlashAttention's list of lengths: one, non-multiples of every tile, more queries than keys and fewer, rows that see
// no key.
TEST(CpuAttentionPasses, LengthsAroundEveryTile) {
  constexpr std::int64_t kLengths[][2] = {{1, 1},     {64, 128},  {128, 192}, {256, 256}, {239, 1},   {799, 3},
                                          {113, 203}, {113, 128}, {128, 217}, {113, 211}, {108, 256}, {256, 512},
                                          {384, 256}, {640, 128}, {512, 256}, {257, 253}, {255, 505}};
  for (const bool causal : {false, true})
    for (const auto& [seq_q, seq_kv] : kLengths)
      check_both({1, 1, 1, seq_q, seq_kv, 64, causal}, seq_q * seq_kv > 30000 ? 5 : 1);
}

TEST(CpuAttentionPasses, LengthsOfManyBlocks) {
  check_both({1, 1, 1, 1023, 1024, 64, true}, 17);
  check_both({1, 1, 1, 1024, 1023, 64, true}, 17);
  check_both({1, 2, 1, 1531, 1300, 64, false}, 61);
}

TEST(CpuAttentionPasses, GroupedHeadsAndBatches) {
  for (const bool causal : {false, true})
    for (const std::int64_t kv_heads : {1, 2, 6}) check_both({2, 6, kv_heads, 113, 150, 64, causal}, 3);
}

TEST(CpuAttentionPasses, Widths) {
  constexpr std::int64_t kWidths[][2] = {{32, 32},   {96, 96},   {128, 128}, {192, 192}, {256, 256},
                                         {192, 128}, {128, 192}, {64, 256},  {224, 32}};
  for (const auto& [head_dim, value_dim] : kWidths) {
    AttentionProblem problem{1, 2, 1, 140, 270, head_dim, true};
    problem.head_dim_v = value_dim;
    check_both(problem, 3);
  }
}

TEST(CpuAttentionPasses, Windows) {
  for (const std::int64_t window : {1, 2, 31, 32, 33, 511, 512, 513, 5000})
    for (const auto& [seq_q, seq_kv] : {std::pair<std::int64_t, std::int64_t>(300, 300), {131, 1100}, {300, 40}}) {
      AttentionProblem problem{1, 2, 1, seq_q, seq_kv, 64, true};
      problem.window = window;
      check_both(problem, 5);
    }
}

AttentionProblem packed_problem(bool causal) {
  AttentionProblem problem{9, 4, 2, 300, 600, 64, causal};
  problem.q_offsets = offsets_of({5, 0, 130, 1, 64, 0, 300, 7, 0});
  problem.kv_offsets = offsets_of({9, 40, 130, 0, 64, 0, 600, 7, 3});
  return problem;
}

TEST(CpuAttentionPasses, PackedSequences) {
  for (const bool causal : {false, true}) check_both(packed_problem(causal), 3);
  AttentionProblem problem = packed_problem(true);
  problem.window = 20;
  check_both(problem);
}

TEST(CpuAttentionPasses, NothingToDo) {
  for (const auto& [q, kv] : {std::pair<std::int64_t, std::int64_t>(0, 0), {0, 5}, {5, 0}}) {
    AttentionProblem problem{2, 2, 1, 5, 5, 64};
    problem.q_offsets = offsets_of({q, 0});
    problem.kv_offsets = offsets_of({kv, 0});
    check_both(problem);
  }
}

// Keys are cut into chunks that are put together, and there are more of them than 16 bits count.
TEST(CpuAttentionPasses, FewQueriesManyKeys) {
  for (const bool causal : {false, true}) {
    AttentionProblem problem{1, 2, 1, 3, 131072, 64, causal};
    problem.dtype = DType::bf16;
    AttentionFixture fixture(problem);
    launch_both(cpu_flash(), fixture);
    EXPECT_EQ(fixture.fault(), "") << text(problem);
    EXPECT_EQ(fixture.gradient_fault(9973), "") << text(problem);
  }
}

TEST(CpuAttentionPasses, ManyQueriesInAWindow) {
  AttentionProblem problem{1, 1, 1, 131072, 131072, 32, true};
  problem.window = 40;
  problem.dtype = DType::bf16;
  AttentionFixture fixture(problem);
  launch_both(cpu_flash(), fixture);
  EXPECT_EQ(fixture.fault(9973), "") << text(problem);
  EXPECT_EQ(fixture.gradient_fault(9973), "") << text(problem);
}

// Logits of thousands: without the maximum, or the log-sum-exp, subtracted every weight would overflow.
TEST(CpuAttentionPasses, HugeLogits) {
  for_each_row([](const AttentionKernel& kernel, DType dtype) {
    AttentionFixture fixture({1, 1, 1, 60, 700, 64, true, dtype}, 3000);
    launch_both(kernel, fixture);
    EXPECT_EQ(fixture.fault(), "");
    EXPECT_EQ(fixture.gradient_fault(), "");
  });
}

/// Every logit of every query: `logit` and a little.
void set_logits(AttentionFixture& fixture, double logit) {
  const AttentionProblem& p = fixture.problem;
  for (std::int64_t i = 0; i < p.seq_q; ++i)
    for (std::int64_t c = 0; c < p.head_dim; ++c) {
      const std::int64_t index = p.q_index(0, i, 0) + c;
      store_element(p.dtype, fixture.q.data(), index,
                    c == 0 ? 32 : 0.1 * load_element(p.dtype, fixture.q.data(), index));
    }
  for (std::int64_t j = 0; j < p.seq_kv; ++j)
    store_element(p.dtype, fixture.k.data(), p.k_index(0, j, 0), logit / 32 / p.scale());
}

// exp of each logit alone is no normal fp32 number, yet the weights are ordinary; 192 = 64 (mod 128), where one
// library's dq was NaN.
TEST(CpuAttentionPasses, LogSumExpFarBelowZero) {
  for_each_row([](const AttentionKernel& kernel, DType dtype) {
    for (const std::int64_t seq_q : {1, 192})
      for (const double logit : {-120.0, 120.0}) {
        AttentionFixture fixture({1, 1, 1, seq_q, 192, 64, true, dtype});
        set_logits(fixture, logit);
        launch_both(kernel, fixture);
        EXPECT_EQ(fixture.fault(), "") << logit;
        EXPECT_EQ(fixture.gradient_fault(), "") << logit;
      }
  });
}

TEST(CpuAttentionPasses, EqualKeysAndZeroQueries) {
  for_each_row([](const AttentionKernel& kernel, DType dtype) {
    AttentionFixture fixture({1, 1, 1, 90, 300, 64, false, dtype}, 0);
    const AttentionProblem& p = fixture.problem;
    for (std::int64_t e = p.head_dim; e < p.k_elements(); ++e)
      store_element(dtype, fixture.k.data(), e, load_element(dtype, fixture.k.data(), e % p.head_dim));
    launch_both(kernel, fixture);
    EXPECT_EQ(fixture.fault(), "");
    EXPECT_EQ(fixture.gradient_fault(), "");
  });
}

// What one launch leaves in a workspace must not reach the next, not even NaN.
TEST(CpuAttentionPasses, NanOfAnEarlierLaunchIsGone) {
  for_each_row([](const AttentionKernel& kernel, DType dtype) {
    AttentionFixture fixture({1, 2, 1, 75, 290, 64, true, dtype}), spoilt = fixture;
    for (std::vector<std::uint8_t>* tensor : {&spoilt.q, &spoilt.k, &spoilt.v, &spoilt.d_o})
      std::fill(tensor->begin(), tensor->end(), std::uint8_t(0xff));
    const auto forward = test::prepare(kernel, fixture, AttentionPass::forward, 2);
    const auto backward = test::prepare(kernel, fixture, AttentionPass::backward, 2);
    for (AttentionFixture* inputs : {&spoilt, &fixture}) {
      forward->launch(inputs->buffers(), nullptr);
      backward->launch(inputs->buffers(), nullptr);
    }
    EXPECT_TRUE(std::isnan(load_element(dtype, spoilt.dk.data(), 0)));
    EXPECT_EQ(fixture.fault(), "");
    EXPECT_EQ(fixture.gradient_fault(), "");
  });
}

// The comparison of gradients itself: what it must notice.
TEST(AttentionCheck, NoticesWrongGradients) {
  AttentionFixture fixture({1, 2, 1, 33, 70, 64, true, DType::f32});
  launch_both(cpu_flash(), fixture);
  ASSERT_EQ(fixture.gradient_fault(), "");
  const std::pair<const char*, test::Guarded AttentionFixture::*> outputs[] = {
      {"dq", &AttentionFixture::dq}, {"dk", &AttentionFixture::dk}, {"dv", &AttentionFixture::dv}};
  for (const auto& [name, output] : outputs) {
    AttentionFixture wrong = fixture;
    const std::int64_t last = std::int64_t((wrong.*output).bytes() / sizeof(float)) - 1;
    auto* elements = (wrong.*output).data();
    store_element(DType::f32, elements, last, 1.001 * load_element(DType::f32, elements, last) + 1e-3);
    EXPECT_EQ(wrong.gradient_fault().substr(0, 2), name);
    wrong = fixture;
    (wrong.*output).data()[-1] ^= 1;
    EXPECT_EQ(wrong.gradient_fault(), std::string("wrote outside ") + name);
    wrong = fixture;
    (wrong.*output).reset();
    EXPECT_EQ(wrong.gradient_fault().substr(0, 2), name) << "nothing written: still NaN";
  }
}

}  // namespace
}  // namespace assay
