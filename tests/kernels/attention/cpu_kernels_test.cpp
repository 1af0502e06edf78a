// Every CPU kernel of the attention table against fp64.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "kernels/attention/attention.h"
#include "tests/kernels/attention/cpu_launch.h"

namespace assay {
namespace {

using test::AttentionFixture;
using test::cpu_kernels;
using test::launch;
using test::text;

struct Shape {
  std::int64_t batch, heads, kv_heads, seq_q, seq_kv;
};

// Lengths of one and of primes around the blocks (126 queries, 512 keys); more keys than queries and fewer (rows that
// see no key); one kv head for all, for some, for each.
const Shape kShapes[] = {{1, 1, 1, 1, 1},    {2, 3, 3, 113, 113}, {1, 4, 2, 217, 239}, {1, 4, 1, 239, 113},
                         {1, 2, 2, 1, 1031}, {1, 1, 1, 217, 1},   {2, 2, 1, 127, 521}, {1, 1, 1, 300, 40}};

template <class Test>
void for_each_kernel(Test test) {
  for (const AttentionKernel* kernel : cpu_kernels())
    for (const DType dtype : kernel->dtypes)
      for (const bool causal : {false, true}) {
        SCOPED_TRACE(kernel->name);
        test(*kernel, dtype, causal);
      }
}

AttentionProblem problem_of(const Shape& s, std::int64_t head_dim, bool causal, DType dtype) {
  return {s.batch, s.heads, s.kv_heads, s.seq_q, s.seq_kv, head_dim, causal, dtype};
}

TEST(CpuAttention, TableHoldsOurKernelsFirst) {
  ASSERT_GE(cpu_kernels().size(), 2u);
  EXPECT_EQ(test::cpu_flash().name, "cpu_flash");
  EXPECT_EQ(test::cpu_dequantized().name, "cpu_dequantized");
}

TEST(CpuAttention, MatchesTheReference) {
  for_each_kernel([](const AttentionKernel& kernel, DType dtype, bool causal) {
    for (const std::int64_t head_dim : {64, 128})
      for (const Shape& shape : kShapes) {
        AttentionFixture fixture(problem_of(shape, head_dim, causal, dtype));
        for (const int threads : {1, 2}) {
          launch(kernel, fixture, threads);
          EXPECT_EQ(fixture.fault(), "") << text(fixture.problem) << ", " << threads << " threads";
        }
      }
  });
}

TEST(CpuAttention, RepeatedLaunchesGiveTheSameBits) {
  for_each_kernel([](const AttentionKernel& kernel, DType dtype, bool causal) {
    AttentionFixture fixture({1, 2, 1, 140, 600, 64, causal, dtype});
    Target target;
    target.threads = 2;
    const auto operation = kernel.prepare(fixture.problem, target, {fixture.buffers()}, nullptr);
    operation->launch(fixture.buffers(), nullptr);
    const std::vector<std::uint8_t> first(fixture.o.data(), fixture.o.data() + fixture.o.bytes());
    fixture.reset();
    operation->launch(fixture.buffers(), nullptr);
    EXPECT_EQ(std::memcmp(first.data(), fixture.o.data(), first.size()), 0);
  });
}

// Logits of thousands: without the maximum subtracted every weight would overflow.
TEST(CpuAttention, HugeLogits) {
  for_each_kernel([](const AttentionKernel& kernel, DType dtype, bool causal) {
    AttentionFixture fixture({1, 1, 1, 60, 700, 64, causal, dtype}, 3000);
    launch(kernel, fixture);
    EXPECT_EQ(fixture.fault(), "") << text(fixture.problem);
  });
}

// All logits near -120: exp of each alone is no normal fp32 number, yet the weights are ordinary.
TEST(CpuAttention, AllLogitsFarBelowZero) {
  for_each_kernel([](const AttentionKernel& kernel, DType dtype, bool causal) {
    AttentionFixture fixture({1, 1, 1, 60, 130, 64, causal, dtype});
    const AttentionProblem& p = fixture.problem;
    // Element 0 alone makes q.k = -960 and, divided by 8, the logit -120; the others add a little.
    for (std::int64_t i = 0; i < p.seq_q; ++i)
      for (std::int64_t c = 0; c < p.head_dim; ++c) {
        const std::int64_t index = p.q_index(0, i, 0) + c;
        store_element(dtype, fixture.q.data(), index, c == 0 ? 32 : 0.1 * load_element(dtype, fixture.q.data(), index));
      }
    for (std::int64_t j = 0; j < p.seq_kv; ++j) store_element(dtype, fixture.k.data(), p.k_index(0, j, 0), -30);
    launch(kernel, fixture);
    EXPECT_EQ(fixture.fault(), "") << text(p);
    EXPECT_NEAR(fixture.lse_at(0, 0, p.seq_q - 1), -120 + std::log(130.0), 1);
  });
}

// One key after another above all before it: the running maximum moves in every block, and sums must be rescaled.
TEST(CpuAttention, RisingLogits) {
  for_each_kernel([](const AttentionKernel& kernel, DType dtype, bool causal) {
    AttentionFixture fixture({1, 1, 1, 20, 1600, 64, causal, dtype});
    const AttentionProblem& p = fixture.problem;
    for (std::int64_t i = 0; i < p.seq_q; ++i) store_element(dtype, fixture.q.data(), p.q_index(0, i, 0), 8);
    for (std::int64_t j = 0; j < p.seq_kv; ++j)
      store_element(dtype, fixture.k.data(), p.k_index(0, j, 0), static_cast<double>(j) / 100);
    launch(kernel, fixture);
    EXPECT_EQ(fixture.fault(), "") << text(p);
  });
}

TEST(CpuAttention, QueriesThatSeeNoKey) {
  for (const AttentionKernel* kernel : cpu_kernels())
    for (const DType dtype : kernel->dtypes) {
      AttentionFixture fixture({1, 2, 1, 150, 9, 64, true, dtype});
      const AttentionProblem& p = fixture.problem;
      launch(*kernel, fixture);
      for (std::int64_t h = 0; h < p.heads; ++h)
        for (std::int64_t i = 0; i < 141; ++i) {
          EXPECT_EQ(fixture.lse_at(0, h, i), -std::numeric_limits<float>::infinity());
          for (std::int64_t c = 0; c < p.head_dim; ++c)
            EXPECT_EQ(load_element(p.out_dtype(), fixture.o.data(), p.q_index(0, i, h) + c), 0.0);
        }
      EXPECT_EQ(fixture.fault(), "");
    }
}

// Keys and values that a query must not see may change without changing a bit of its result.
TEST(CpuAttention, CausalMaskLetsNothingThrough) {
  for (const AttentionKernel* kernel : cpu_kernels())
    for (const DType dtype : kernel->dtypes) {
      AttentionFixture fixture({1, 2, 1, 217, 731, 64, true, dtype});
      const AttentionProblem& p = fixture.problem;
      launch(*kernel, fixture);
      const std::vector<std::uint8_t> before(fixture.o.data(), fixture.o.data() + fixture.o.bytes());
      for (const std::int64_t query : {0, 13, 14, 125, 126, 200}) {
        AttentionFixture changed({1, 2, 1, 217, 731, 64, true, dtype});
        for (std::int64_t j = p.visible_keys(0, query).end; j < p.seq_kv; ++j)
          for (std::int64_t c = 0; c < p.head_dim; ++c) {
            store_element(dtype, changed.k.data(), p.k_index(0, j, 0) + c, 50 + c);
            store_element(dtype, changed.v.data(), p.k_index(0, j, 0) + c, -1000);
          }
        launch(*kernel, changed, 2);
        const std::size_t bytes = static_cast<std::size_t>(p.q_index(0, query + 1, 0)) * size_bytes(p.out_dtype());
        EXPECT_EQ(std::memcmp(before.data(), changed.o.data(), bytes), 0) << kernel->name << " up to query " << query;
        EXPECT_NE(std::memcmp(before.data() + bytes, changed.o.data() + bytes, before.size() - bytes), 0);
      }
    }
}

TEST(CpuAttention, RefusesWhatItCannotDo) {
  Target target;
  for (const AttentionKernel* kernel : cpu_kernels()) {
    AttentionProblem problem{1, 4, 2, 8, 8, 72};
    EXPECT_THAT(kernel->supports(problem, target).reason, testing::HasSubstr("head_dim 72"));
    problem.head_dim = 288;
    EXPECT_THAT(kernel->supports(problem, target).reason, testing::HasSubstr("head_dim 288"));
    problem.head_dim = 64;
    problem.head_dim_v = 48;
    EXPECT_THAT(kernel->supports(problem, target).reason, testing::HasSubstr("value_dim 48"));
    problem.head_dim_v = 0;
    problem.kv_heads = 3;
    EXPECT_FALSE(kernel->supports(problem, target).ok());
    problem.kv_heads = 4;
    EXPECT_TRUE(kernel->supports(problem, target).ok());
    problem.dtype = DType::e4m3;
    problem.pass = AttentionPass::backward;
    EXPECT_THAT(kernel->supports(problem, target).reason, testing::HasSubstr("forward only"));
  }
}

// The comparison itself: what it must notice.
TEST(AttentionCheck, NoticesPlantedFaults) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    AttentionFixture fixture({1, 1, 1, 33, 70, 64, true, dtype});
    const AttentionProblem& p = fixture.problem;
    EXPECT_NE(fixture.fault(), "") << "nothing written: still NaN";
    launch(*cpu_kernels().front(), fixture);
    ASSERT_EQ(fixture.fault(), "");

    // A mask one key too wide, and one too narrow: right for a problem of one key more or less.
    for (const std::int64_t shift : {1, -1}) {
      const std::int64_t query = 20;
      AttentionProblem other = p;
      other.seq_q = p.seq_q - shift;
      AttentionFixture wrong = fixture;
      wrong.problem = other;
      const AttentionRow row = attention_reference(other, wrong.q.data(), wrong.k.data(), wrong.v.data(), 0, 0, query);
      wrong = fixture;
      for (std::int64_t c = 0; c < p.head_dim; ++c)
        store_element(dtype, wrong.o.data(), p.q_index(0, query, 0) + c, row.o[static_cast<std::size_t>(c)]);
      EXPECT_THAT(wrong.fault(), testing::HasSubstr("o[0, 0, 20, 0"));
    }
    // One value 2 % off.
    AttentionFixture wrong = fixture;
    const std::int64_t index = p.q_index(0, 32, 0) + 63;
    store_element(dtype, wrong.o.data(), index, 1.02 * load_element(dtype, wrong.o.data(), index) + 0.02);
    EXPECT_THAT(wrong.fault(), testing::HasSubstr("o[0, 0, 32, 63]"));
    // The last log-sum-exp never written, then base 2 instead of e.
    wrong = fixture;
    const float nan = std::nanf(""), base2 = fixture.lse_at(0, 0, 32) * 1.4427f;
    std::memcpy(wrong.lse.data() + 32 * sizeof nan, &nan, sizeof nan);
    EXPECT_THAT(wrong.fault(), testing::HasSubstr("lse[0, 0, 32]"));
    std::memcpy(wrong.lse.data() + 32 * sizeof nan, &base2, sizeof base2);
    EXPECT_THAT(wrong.fault(), testing::HasSubstr("lse[0, 0, 32]"));
    wrong = fixture;
    wrong.lse.data()[wrong.lse.bytes()] ^= 1;
    EXPECT_EQ(wrong.fault(), "wrote outside lse");
  }
}

TEST(AttentionProblem, VisiblePairsCountsWhatVisibleSays) {
  for (const bool causal : {false, true})
    for (const Shape& s : kShapes) {
      const AttentionProblem problem = problem_of(s, 64, causal, DType::f32);
      std::int64_t pairs = 0;
      for (std::int64_t i = 0; i < problem.seq_q; ++i) pairs += problem.visible_keys(0, i).size();
      EXPECT_EQ(problem.visible_pairs(), double(problem.batch * pairs)) << text(problem);
    }
}

}  // namespace
}  // namespace assay
