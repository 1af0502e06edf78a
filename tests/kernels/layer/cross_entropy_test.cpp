// Cross-entropy: the reference by hand and by finite differences, the kernels against the reference.
#include "kernels/layer/cross_entropy.h"

#include "tests/kernels/layer/token_check.h"

namespace assay {
namespace {

using test::Array;
using test::cpu;
using test::differs;
using test::kInfinity;
using test::kNan;

const CrossEntropyKernel& kernel() { return cross_entropy_kernels().front(); }

struct Fixture {
  CrossEntropyProblem problem;
  Array logits, loss, lse;
  std::vector<std::int32_t> labels;
  float scale = 0.01f;
  explicit Fixture(const CrossEntropyProblem& p, double deviation = 3)
      : problem(p),
        logits(p.dtype, p.tokens * p.vocab),
        loss(DType::f32, p.tokens),
        lse(DType::f32, p.tokens),
        labels(std::size_t(p.tokens)) {
    logits.fill_normal(11, deviation);
    test::Random random(5);
    for (std::int32_t& label : labels) label = std::int32_t(random.below(p.vocab));
  }
  CrossEntropyBuffers buffers() { return {logits.data(), labels.data(), loss.floats(), lse.floats(), &scale}; }
  std::vector<CrossEntropyRow> references() {
    std::vector<CrossEntropyRow> rows;
    for (std::int64_t t = 0; t < problem.tokens; ++t) rows.push_back(cross_entropy_reference(problem, buffers(), t));
    return rows;
  }
  void expect(const std::vector<CrossEntropyRow>& rows) const {
    for (std::int64_t t = 0; t < problem.tokens; ++t) {
      const CrossEntropyRow& row = rows[std::size_t(t)];
      EXPECT_EQ(differs(loss.at(t), row.loss), "") << "loss " << t;
      EXPECT_EQ(differs(lse.at(t), row.lse), "") << "lse " << t;
      if (problem.gradient) test::expect_row(logits, t, row.dlogits, "dlogits");
    }
    EXPECT_TRUE(logits.guards_intact() && loss.guards_intact() && lse.guards_intact());
  }
};

CrossEntropyProblem problem_of(std::int64_t tokens, std::int64_t vocab, DType dtype = DType::f32) {
  CrossEntropyProblem problem;
  problem.tokens = tokens, problem.vocab = vocab, problem.dtype = dtype;
  return problem;
}

TEST(CrossEntropyReference, ByHand) {
  float logits[] = {0, std::log(3.0f)};
  const std::int32_t label = 0;
  const float scale = 2;
  const CrossEntropyRow row = cross_entropy_reference(problem_of(1, 2), {logits, &label, nullptr, nullptr, &scale}, 0);
  EXPECT_NEAR(row.lse.value, std::log(4), 1e-7);
  EXPECT_NEAR(row.loss.value, std::log(4), 1e-7);
  EXPECT_NEAR(row.dlogits.value[0], 2 * (0.25 - 1), 1e-7);
  EXPECT_NEAR(row.dlogits.value[1], 2 * 0.75, 1e-7);
  EXPECT_LT(row.lse.allowed, 1e-5);
}

// Each gradient is the loss's difference quotient, z-loss included.
TEST(CrossEntropyReference, GradientsAreDifferences) {
  CrossEntropyProblem problem = problem_of(1, 9);
  problem.z_loss = 0.01f;
  Fixture f(problem, 1);
  f.scale = 1;
  const CrossEntropyRow row = cross_entropy_reference(problem, f.buffers(), 0);
  for (std::int64_t j = 0; j < 9; ++j) {
    const double at = f.logits.at(j), step = 0x1p-9;  // which fp32 adds exactly
    f.logits.set(j, at + step);
    const double above = f.logits.at(j), more = cross_entropy_reference(problem, f.buffers(), 0).loss.value;
    f.logits.set(j, at - step);
    const double below = f.logits.at(j), less = cross_entropy_reference(problem, f.buffers(), 0).loss.value;
    f.logits.set(j, at);
    EXPECT_NEAR(row.dlogits.value[std::size_t(j)], (more - less) / (above - below), 2e-6) << j;
  }
}

TEST(CrossEntropy, IsWithinTheAllowedError) {
  for (const DType dtype : test::kTypes)
    for (const bool gradient : {true, false})
      for (const std::int64_t vocab : {1, 2, 15, 16, 17, 63, 65, 127, 1000, 2048, 2049, 5000}) {
        CrossEntropyProblem problem = problem_of(5, vocab, dtype);
        problem.gradient = gradient;
        problem.z_loss = gradient ? 1e-3f : 0;
        test::on_every_instruction_set([&] {
          Fixture f(problem);
          const std::vector<CrossEntropyRow> expected = f.references();
          const std::vector<std::uint8_t> logits = f.logits.copy();
          test::launch(kernel(), problem, f.buffers(), 3);
          f.expect(expected);
          if (!gradient) {
            EXPECT_EQ(f.logits.copy(), logits) << vocab;
          }
        });
      }
}

TEST(CrossEntropy, LargeVocabulary) {
  for (const DType dtype : test::kTypes) {
    Fixture f(problem_of(3, 128256, dtype));
    const std::vector<CrossEntropyRow> expected = f.references();
    test::launch(kernel(), f.problem, f.buffers());
    f.expect(expected);
  }
}

// Sums of exponentials that would overflow or vanish, blocks far below the largest logit, and no difference at all.
TEST(CrossEntropy, HugeAndEqualLogits) {
  for (const DType dtype : test::kTypes)
    for (const double size : {-3e38, -1e4, 0.0, 1e4, 3e38}) {
      Fixture f(problem_of(4, 5000, dtype));
      f.logits.fill(size);
      f.logits.set(5000 + 4000, size == 0 ? 500 : size * 0.5);  // one that is far larger or far smaller
      f.labels = {0, 1, 4999, 4000};
      const std::vector<CrossEntropyRow> expected = f.references();
      test::on_every_instruction_set([&] {
        Fixture again(f.problem);
        again.logits.restore(f.logits.copy());
        again.labels = f.labels;
        test::launch(kernel(), f.problem, again.buffers());
        again.expect(expected);
      });
      EXPECT_NEAR(expected[0].loss.value, std::log(5000), std::abs(size) > 1e5 ? 1e38 : 1e-3);
    }
}

// What is taken off is the largest logit of what came before: later ones exceed it by less than is allowed, or by more.
TEST(CrossEntropy, LogitsThatRise) {
  for (const DType dtype : test::kTypes)
    test::on_every_instruction_set([&] {
      for (const bool gradient : {true, false}) {
        CrossEntropyProblem problem = problem_of(5, 20000, dtype);
        problem.gradient = gradient;
        Fixture f(problem, 0.5);
        const double rise[] = {0.6, 4, 9.5, 30, 0};
        for (std::int64_t t = 0; t < 5; ++t)
          for (std::int64_t j = 0; j < 20000; ++j)
            f.logits.set(t * 20000 + j, f.logits.at(t * 20000 + j) - 60 + double(j / 2500) * rise[t]);
        for (std::int64_t j = 0; j < 9000; ++j) f.logits.set(4 * 20000 + j, -double(kInfinity));  // a block and more
        const std::vector<CrossEntropyRow> expected = f.references();
        test::launch(kernel(), problem, f.buffers());
        f.expect(expected);
      }
    });
}

TEST(CrossEntropy, IgnoredTokensAreNotLookedAt) {
  for (const DType dtype : test::kTypes) {
    Fixture f(problem_of(6, 300, dtype));
    f.labels[1] = f.labels[5] = -100;
    for (std::int64_t j = 0; j < 300; ++j) f.logits.set(300 + j, double(kNan));
    const std::vector<CrossEntropyRow> expected = f.references();
    EXPECT_EQ(expected[1].loss.value, 0);
    test::on_every_instruction_set([&] {
      Fixture again(f.problem);
      again.logits.restore(f.logits.copy());
      again.labels = f.labels;
      test::launch(kernel(), f.problem, again.buffers());
      again.expect(expected);
      EXPECT_EQ(again.loss.at(1), 0);
      EXPECT_EQ(again.logits.at(300 + 7), 0);
    });
  }
}

TEST(CrossEntropy, WordsThatCannotOccur) {
  for (const DType dtype : test::kTypes)
    test::on_every_instruction_set([&] {
      Fixture f(problem_of(2, 5000, dtype));
      for (std::int64_t j = 2000; j < 5000; ++j) f.logits.set(j, -double(kInfinity));  // a block and more
      f.labels = {3, 4};
      const std::vector<CrossEntropyRow> expected = f.references();
      test::launch(kernel(), f.problem, f.buffers());
      f.expect(expected);
      EXPECT_EQ(f.logits.at(4000), 0);
      EXPECT_TRUE(std::isfinite(f.loss.at(0)));

      Fixture label(f.problem);
      label.logits.set(3, -double(kInfinity));
      label.labels = {3, 4};
      test::launch(kernel(), f.problem, label.buffers());
      EXPECT_EQ(label.loss.at(0), double(kInfinity));
      EXPECT_EQ(differs(label.logits.at(3), {-0.01, 1e-4}), "");
    });
}

// One bad logit shows in all of its row, and in no other.
TEST(CrossEntropy, ShowsWhatIsNoNumber) {
  for (const DType dtype : test::kTypes)
    for (const float bad : {kNan, kInfinity, -kNan})
      test::on_every_instruction_set([&] {
        Fixture f(problem_of(3, 2100, dtype));
        f.logits.set(2100 + 2060, double(bad));
        test::launch(kernel(), f.problem, f.buffers());
        for (std::int64_t t = 0; t < 3; ++t) {
          EXPECT_EQ(std::isnan(f.loss.at(t)), t == 1);
          EXPECT_EQ(std::isnan(f.lse.at(t)), t == 1);
          for (std::int64_t j = 0; j < 2100; ++j) ASSERT_EQ(std::isnan(f.logits.at(t * 2100 + j)), t == 1);
        }
      });
  Fixture none(problem_of(1, 100));
  none.logits.fill(-double(kInfinity));
  test::launch(kernel(), none.problem, none.buffers());
  EXPECT_TRUE(std::isnan(none.loss.at(0)) && std::isnan(none.lse.at(0)) && std::isnan(none.logits.at(99)));
}

TEST(CrossEntropy, RefusesALabelThatIsNoWord) {
  for (const std::int32_t bad : {-1, 300, -99}) {
    Fixture f(problem_of(4, 300));
    f.labels[2] = bad;
    const std::vector<std::uint8_t> logits = f.logits.copy();
    try {
      kernel().prepare(f.problem, cpu(2), {f.buffers()}, nullptr)->launch(f.buffers(), nullptr);
      ADD_FAILURE() << "took label " << bad;
    } catch (const std::out_of_range& error) {
      EXPECT_EQ(error.what(),
                "token 2 has label " + std::to_string(bad) + ", which is neither in 0 .. 299 nor -100, to be ignored");
    }
    EXPECT_EQ(f.logits.copy(), logits);
    EXPECT_TRUE(std::isnan(f.loss.at(0)));  // as it was
  }
}

// Chunks of tokens, threads, repetition: always the same bits.
TEST(CrossEntropy, HasTheSameBitsInChunksAndForAnyNumberOfThreads) {
  for (const DType dtype : test::kTypes) {
    Fixture whole(problem_of(40, 3001, dtype));
    const std::vector<std::uint8_t> logits = whole.logits.copy();
    test::launch(kernel(), whole.problem, whole.buffers(), 1);
    for (const int threads : {1, 2, 3, 7}) {
      Fixture again(whole.problem);
      test::launch(kernel(), again.problem, again.buffers(), threads);
      EXPECT_EQ(again.logits.copy(), whole.logits.copy()) << threads;
      EXPECT_EQ(again.loss.copy(), whole.loss.copy());
    }
    Fixture chunks(whole.problem);
    for (const auto& [first, count] : {std::pair<std::int64_t, std::int64_t>(0, 13), {13, 1}, {14, 26}}) {
      CrossEntropyBuffers b = chunks.buffers();
      b.logits = chunks.logits.as<char>() + std::size_t(first * 3001) * size_bytes(dtype);
      b.labels += first, b.loss += first, b.lse += first;
      test::launch(kernel(), problem_of(count, 3001, dtype), b);
    }
    EXPECT_EQ(chunks.logits.copy(), whole.logits.copy());
    EXPECT_EQ(chunks.loss.copy(), whole.loss.copy());
    EXPECT_EQ(chunks.lse.copy(), whole.lse.copy());
  }
}

}  // namespace
}  // namespace assay
