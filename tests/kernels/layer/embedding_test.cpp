// The embedding: rows copied, gradients summed in the tokens' order, bit for bit.
#include "kernels/layer/embedding.h"

#include "tests/kernels/layer/token_check.h"

namespace assay {
namespace {

using test::Array;
using test::cpu;

const EmbeddingKernel& kernel() { return embedding_kernels().front(); }

struct Fixture {
  EmbeddingProblem problem;
  std::vector<std::int32_t> ids;
  Array w, y, dy, dw;
  Fixture(const EmbeddingProblem& p, std::int64_t used)  // ids are below `used`
      : problem(p),
        ids(std::size_t(p.tokens)),
        w(p.dtype, p.vocab * p.dim),
        y(p.dtype, p.tokens * p.dim),
        dy(p.dtype, p.tokens * p.dim),
        dw(DType::f32, p.vocab * p.dim) {
    test::Random random(7);
    for (std::int32_t& id : ids) id = std::int32_t(random.below(used));
    w.fill_normal(1), dy.fill_normal(2), dw.fill_normal(3);
  }
  EmbeddingBuffers buffers() { return {ids.data(), w.data(), y.data(), dy.data(), dw.floats()}; }
};

TEST(EmbeddingReference, ByHand) {
  const std::int32_t ids[] = {2, 0, 2};
  const float dy[] = {1, 2, 10, 20, 100, 200};
  float dw[] = {0, 0, 5, 6, 7, 8};
  const EmbeddingProblem problem{LayerPass::backward, 3, 3, 2};
  const EmbeddingBuffers host{ids, nullptr, nullptr, dy, dw};
  EXPECT_EQ(embedding_reference_dw(problem, host, 0).value, (std::vector<double>{10, 20}));
  EXPECT_EQ(embedding_reference_dw(problem, host, 1).value, (std::vector<double>{5, 6}));
  EXPECT_EQ(embedding_reference_dw(problem, host, 1).allowed, (std::vector<double>{0, 0}));
  EXPECT_EQ(embedding_reference_dw(problem, host, 2).value, (std::vector<double>{108, 210}));
}

TEST(Embedding, CopiesRows) {
  for (const DType dtype : test::kTypes)
    for (const std::int64_t dim : {1, 7, 16, 33, 64, 100}) {
      Fixture f({LayerPass::forward, 37, 50, dim, dtype}, 50);
      const auto bytes = std::size_t(dim) * size_bytes(dtype);
      test::on_every_instruction_set([&] {
        f.y.poison();
        test::launch(kernel(), f.problem, f.buffers(), 3);
        for (std::size_t t = 0; t < f.ids.size(); ++t)
          ASSERT_EQ(std::memcmp(f.y.as<char>() + t * bytes, f.w.as<char>() + std::size_t(f.ids[t]) * bytes, bytes), 0)
              << t;
        EXPECT_TRUE(f.y.guards_intact() && f.w.guards_intact());
      });
    }
}

// Large enough to be stored past the caches, from an array that begins on a cache line.
TEST(Embedding, CopiesManyRows) {
  constexpr std::int64_t kTokens = 4100, kDim = 1024;
  std::vector<std::int32_t> ids(kTokens);
  std::vector<float> w(std::size_t(3 * kDim));
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = float(i);
  for (std::size_t t = 0; t < ids.size(); ++t) ids[t] = std::int32_t(t * 7 % 3);
  const std::unique_ptr<void, decltype(&std::free)> y(std::aligned_alloc(64, kTokens * kDim * 4), &std::free);
  const EmbeddingProblem problem{LayerPass::forward, kTokens, 3, kDim};
  test::launch(kernel(), problem, {ids.data(), w.data(), y.get(), nullptr, nullptr});
  for (std::size_t t = 0; t < ids.size(); ++t)
    ASSERT_EQ(std::memcmp(static_cast<float*>(y.get()) + t * kDim, w.data() + ids[t] * kDim, kDim * 4), 0) << t;
}

/// The contract's sums.
std::vector<float> sums_by_hand(Fixture& f) {
  std::vector<float> dw(f.dw.floats(), f.dw.floats() + f.dw.count());
  for (std::int64_t t = 0; t < f.problem.tokens; ++t)
    for (std::int64_t c = 0; c < f.problem.dim; ++c)
      dw[std::size_t(f.ids[std::size_t(t)] * f.problem.dim + c)] += float(f.dy.at(t * f.problem.dim + c));
  return dw;
}

TEST(Embedding, AddsGradientsInTheTokensOrder) {
  for (const DType dtype : test::kTypes)
    for (const auto& [vocab, used, dim] : {std::tuple<std::int64_t, std::int64_t, std::int64_t>(600, 600, 33),
                                           {600, 5, 1030},       // few words, pieces of columns
                                           {300000, 300000, 3},  // three digits of ids
                                           {1, 1, 20}}) {
      Fixture f({LayerPass::backward, 200, vocab, dim, dtype}, used);
      const std::vector<std::uint8_t> before = f.dw.copy();
      const std::vector<float> exact = sums_by_hand(f);
      std::vector<LayerRow> references;
      for (std::int64_t row = 0; row < std::min<std::int64_t>(used, 20); ++row)
        references.push_back(embedding_reference_dw(f.problem, f.buffers(), row));
      test::on_every_instruction_set([&] {
        for (const int threads : {1, 2, 5}) {
          f.dw.restore(before);
          test::launch(kernel(), f.problem, f.buffers(), threads);
          ASSERT_EQ(std::memcmp(f.dw.data(), exact.data(), f.dw.bytes()), 0) << vocab << " " << threads;
          EXPECT_TRUE(f.dw.guards_intact());
        }
      });
      for (std::size_t row = 0; row < references.size(); ++row)
        test::expect_row(f.dw, std::int64_t(row), references[row], "dw");
    }
}

TEST(Embedding, RefusesAnIdOutsideTheVocabulary) {
  for (const LayerPass pass : {LayerPass::forward, LayerPass::backward})
    for (const std::int32_t bad : {-1, 50}) {
      Fixture f({pass, 9, 50, 8}, 50);
      f.ids[6] = bad;
      f.y.poison();
      const std::vector<std::uint8_t> y = f.y.copy(), dw = f.dw.copy();
      try {
        kernel().prepare(f.problem, cpu(2), {f.buffers()}, nullptr)->launch(f.buffers(), nullptr);
        ADD_FAILURE() << "took id " << bad;
      } catch (const std::out_of_range& error) {
        EXPECT_EQ(error.what(), "token 6 has id " + std::to_string(bad) + ", which is not in 0 .. 49");
      }
      EXPECT_EQ(f.y.copy(), y);
      EXPECT_EQ(f.dw.copy(), dw);
    }
}

}  // namespace
}  // namespace assay
