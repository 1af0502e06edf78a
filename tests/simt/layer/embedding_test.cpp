// The token embedding on the functional GPU, by the launch plans of the real launcher: forward copies, backward has the
// bits of sums in the tokens' order.
#include "kernels/layer/cuda/embedding.h"
#include "tests/simt/layer/layer_on_simt.h"

namespace assay {
namespace {

const simt::ptx::Module& module() {
  static const simt::ptx::Module module(simt::ptx_text(ASSAY_PTX_DIR, "layer_embedding_cuda"));
  return module;
}

struct Case {
  std::int64_t tokens, vocab, dim;
  DType dtype;
  int repeat;  // every `repeat`-th token has the same id
};

// One token; ids that nobody or everybody has, up to 32 times and more often; columns that are no vectors.
const Case kCases[] = {{1, 1, 8, DType::bf16, 2},      {300, 1000, 136, DType::bf16, 5}, {300, 40, 64, DType::f32, 2},
                       {97, 7, 33, DType::bf16, 3},    {70, 5, 129, DType::f32, 1},      {64, 64, 256, DType::bf16, 2},
                       {513, 100000, 8, DType::f32, 8}};

std::string describe(const Case& c) {
  return std::to_string(c.tokens) + " of " + std::to_string(c.vocab) + " by " + std::to_string(c.dim) + " " +
         name(c.dtype) + " repeat " + std::to_string(c.repeat);
}

std::vector<std::int32_t> ids_of(LayerOnSimt& gpu, const Case& c) {
  std::uniform_int_distribution<std::int32_t> any(0, std::int32_t(c.vocab - 1));
  std::vector<std::int32_t> ids;
  for (std::int64_t t = 0; t < c.tokens; ++t)
    ids.push_back(t % c.repeat == 0 ? std::int32_t(c.vocab / 2) : any(gpu.generator()));
  return ids;
}

EmbeddingBuffers buffers_of(LayerOnSimt& gpu, const Case& c) {
  EmbeddingBuffers b;
  b.ids = gpu.upload(ids_of(gpu, c));
  b.w = gpu.random(c.dtype, c.vocab * c.dim), b.y = gpu.poisoned(c.dtype, c.tokens * c.dim);
  b.dy = gpu.random(c.dtype, c.tokens * c.dim);
  b.dw = static_cast<float*>(gpu.random(DType::f32, c.vocab * c.dim));
  return b;
}

void run(LayerOnSimt& gpu, const EmbeddingProblem& p, const EmbeddingBuffers& b) {
  void* workspace = gpu.heap().allocate(std::size_t(embedding_workspace_bytes(p)));
  gpu.run(module(), embedding_plans(p, b, workspace, simt_target()));
}

TEST(EmbeddingOnSimt, ForwardCopiesRows) {
  for (const Case& c : kCases) {
    LayerOnSimt gpu;
    const EmbeddingProblem p{LayerPass::forward, c.tokens, c.vocab, c.dim, c.dtype};
    const auto b = buffers_of(gpu, c);
    run(gpu, p, b);
    LayerComparison compare("embedding " + describe(c));
    for (std::int64_t i = 0; i < c.tokens * c.dim; ++i)
      compare.element({load_element(c.dtype, b.w, b.ids[i / c.dim] * c.dim + i % c.dim), 0},
                      load_element(c.dtype, b.y, i), "y", i / c.dim, i % c.dim);
  }
}

/// ((dw + dy[t1]) + dy[t2]) + ..., rounded to fp32 each time.
void add_in_order(const Case& c, const EmbeddingBuffers& b, float* dw) {
  for (std::int64_t t = 0; t < c.tokens; ++t)
    for (std::int64_t i = 0; i < c.dim && b.ids[t] >= 0 && b.ids[t] < c.vocab; ++i)
      dw[b.ids[t] * c.dim + i] += float(load_element(c.dtype, b.dy, t * c.dim + i));
}

void check_backward(LayerOnSimt& gpu, const Case& c, EmbeddingBuffers b) {
  const EmbeddingProblem p{LayerPass::backward, c.tokens, c.vocab, c.dim, c.dtype};
  auto* expected = static_cast<float*>(gpu.copy(DType::f32, b.dw, c.vocab * c.dim));
  add_in_order(c, b, expected);
  run(gpu, p, b);
  LayerComparison compare("embedding backward " + describe(c));
  for (std::int64_t i = 0; i < c.vocab * c.dim; ++i)
    compare.element({expected[i], 0}, b.dw[i], "dw", i / c.dim, i % c.dim);
}

TEST(EmbeddingOnSimt, BackwardAddsInTheTokensOrder) {
  for (const Case& c : kCases) {
    LayerOnSimt gpu;
    check_backward(gpu, c, buffers_of(gpu, c));
  }
}

TEST(EmbeddingOnSimt, InAnySchedule) {
  for (const auto async : {simt::Async::Eager, simt::Async::Random}) {
    LayerOnSimt gpu(async, true);
    const Case c{200, 30, 32, DType::bf16, 3};
    check_backward(gpu, c, buffers_of(gpu, c));
  }
}

TEST(EmbeddingOnSimt, IdsOutsideTheVocabulary) {
  LayerOnSimt gpu;
  const Case c{6, 4, 16, DType::bf16, 1};
  auto b = buffers_of(gpu, c);
  b.ids = gpu.upload<std::int32_t>({3, -1, 4, 0, 2147483647, 3});
  run(gpu, {LayerPass::forward, c.tokens, c.vocab, c.dim, c.dtype}, b);
  for (std::int64_t i = 0; i < c.tokens * c.dim; ++i) {
    const std::int64_t t = i / c.dim;
    ASSERT_EQ(std::isnan(load_element(c.dtype, b.y, i)), t == 1 || t == 2 || t == 4) << "wrong result: y " << i;
  }
  check_backward(gpu, c, b);
}

TEST(EmbeddingOnSimt, RowsNobodyNamesAreNotTouched) {
  LayerOnSimt gpu;
  const Case c{40, 50, 20, DType::f32, 1};
  auto b = buffers_of(gpu, c);
  for (std::int64_t i = 0; i < c.vocab * c.dim; ++i)
    if (i / c.dim != c.vocab / 2) b.dw[i] = NAN;
  check_backward(gpu, c, b);
}

TEST(EmbeddingPlans, NothingToDo) {
  EXPECT_TRUE(embedding_plans({LayerPass::backward, 0, 10, 8, DType::f32}, {}, nullptr, simt_target()).empty());
}

}  // namespace
}  // namespace assay
