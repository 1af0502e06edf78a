// The fused cross-entropy on the functional GPU, by the launch plans of the real launcher, against the fp64 reference.
#include "kernels/layer/cuda/cross_entropy.h"
#include "tests/simt/layer/layer_on_simt.h"

namespace assay {
namespace {

const simt::ptx::Module& module() {
  static const simt::ptx::Module module(simt::ptx_text(ASSAY_PTX_DIR, "layer_cross_entropy_cuda"));
  return module;
}

/// A GPU with that much shared memory a block.
Target target_of(std::size_t shared_kib) {
  Target target = simt_target();
  target.shared_bytes_per_block = shared_kib * 1024;
  return target;
}

struct Case {
  std::int64_t tokens, vocab;
  DType dtype;
  bool gradient;
  float z_loss;
  std::size_t shared_kib;
};

// One word; fewer than a vector; odd vocabularies, whose rows begin anywhere; rows whole in shared memory of one and of
// two blocks a multiprocessor, and those that do not fit.
const Case kCases[] = {
    {3, 1, DType::bf16, true, 0, 227},         {5, 7, DType::bf16, true, 0, 227},
    {4, 1000, DType::f32, true, 1e-3F, 227},   {5, 5003, DType::bf16, true, 0, 227},
    {3, 5003, DType::bf16, false, 1e-3F, 227}, {3, 20001, DType::f32, true, 0, 99},
    {3, 40003, DType::bf16, true, 1e-4F, 36},  {2, 40000, DType::bf16, false, 0, 36},
    {2, 128256, DType::bf16, true, 0, 227},
};

std::string describe(const Case& c) {
  return std::to_string(c.tokens) + "x" + std::to_string(c.vocab) + " " + name(c.dtype) +
         (c.gradient ? " gradient, " : ", ") + std::to_string(c.shared_kib) + " KiB";
}

CrossEntropyProblem problem_of(const Case& c) { return {c.tokens, c.vocab, c.dtype, c.gradient, -100, c.z_loss}; }

/// Labels everywhere, the first and the last word among them.
CrossEntropyBuffers buffers_of(LayerOnSimt& gpu, const CrossEntropyProblem& p) {
  CrossEntropyBuffers b;
  b.logits = gpu.random(p.dtype, p.tokens * p.vocab, 3, 2);
  std::vector<std::int32_t> labels;
  for (std::int64_t t = 0; t < p.tokens; ++t)
    labels.push_back(t == 0 ? 0 : t == 1 ? std::int32_t(p.vocab - 1) : std::int32_t((t * 7919) % p.vocab));
  b.labels = gpu.upload(labels);
  b.loss = gpu.poisoned<float>(p.tokens), b.lse = gpu.poisoned<float>(p.tokens);
  b.scale = gpu.upload(std::vector<float>{0.125F});
  return b;
}

/// Runs on a copy of the logits, which the reference needs as they were.
void check(LayerOnSimt& gpu, const CrossEntropyProblem& p, const CrossEntropyBuffers& before, std::size_t shared_kib,
           const std::string& what) {
  CrossEntropyBuffers b = before;
  b.logits = gpu.copy(p.dtype, before.logits, p.tokens * p.vocab);
  gpu.run(module(), cross_entropy_plans(p, b, target_of(shared_kib)));
  LayerComparison compare(what);
  for (std::int64_t t = 0; t < p.tokens; ++t) {
    const CrossEntropyRow row = cross_entropy_reference(p, before, t);
    compare.element(row.loss, b.loss[t], "loss", t);
    compare.element(row.lse, b.lse[t], "lse", t);
    if (p.gradient) compare.row(row.dlogits, p.dtype, b.logits, "dlogits", t);
  }
  if (!p.gradient) compare.same_bits(b.logits, before.logits, storage_bytes(p.dtype, p.tokens * p.vocab), "logits");
}

TEST(CrossEntropyOnSimt, EqualsReference) {
  for (const Case& c : kCases) {
    LayerOnSimt gpu;
    const auto p = problem_of(c);
    check(gpu, p, buffers_of(gpu, p), c.shared_kib, "cross-entropy " + describe(c));
  }
}

TEST(CrossEntropyOnSimt, InAnySchedule) {
  for (const auto async : {simt::Async::Eager, simt::Async::Random, simt::Async::Lazy})
    for (const Case& c :
         {Case{4, 8 * 1024 * 2 + 11, DType::bf16, true, 0, 40}, Case{3, 3000, DType::f32, false, 0, 40}}) {
      LayerOnSimt gpu(async, true);
      const auto p = problem_of(c);
      check(gpu, p, buffers_of(gpu, p), c.shared_kib, "any schedule " + describe(c));
    }
}

TEST(CrossEntropyOnSimt, IgnoredAndImpossibleLabels) {
  for (const bool gradient : {true, false}) {
    LayerOnSimt gpu;
    const CrossEntropyProblem p{7, 2501, DType::bf16, gradient, -100, 0};
    auto b = buffers_of(gpu, p);
    b.labels = gpu.upload<std::int32_t>({-100, 5, -100, -100, 2500, 3, -100});
    for (std::int64_t j = 0; j < p.vocab; ++j) store_element(p.dtype, b.logits, 2 * p.vocab + j, NAN);  // not looked at
    check(gpu, p, b, 227, "ignored labels");
    b.labels = gpu.upload<std::int32_t>({1, -1, 2501, 2500, 0, -100, 9});
    auto run = b;
    run.logits = gpu.copy(p.dtype, b.logits, p.tokens * p.vocab);
    gpu.run(module(), cross_entropy_plans(p, run, target_of(227)));
    for (std::int64_t t = 0; t < p.tokens; ++t) {
      const bool impossible = t == 1 || t == 2;
      ASSERT_EQ(std::isnan(run.loss[t]), impossible) << "wrong result: loss " << t;
      ASSERT_EQ(std::isnan(run.lse[t]), impossible) << "wrong result: lse " << t;
      for (std::int64_t j = 0; gradient && j < p.vocab; ++j)
        ASSERT_EQ(std::isnan(load_element(p.dtype, run.logits, t * p.vocab + j)), impossible) << "wrong result: " << t;
    }
  }
}

TEST(CrossEntropyOnSimt, InfinitiesAndNan) {
  LayerOnSimt gpu;
  const CrossEntropyProblem p{7, 3003, DType::bf16, true, -100, 0};
  const auto b = buffers_of(gpu, p);
  const auto set = [&](std::int64_t t, std::int64_t j, double x) {
    store_element(p.dtype, b.logits, t * p.vocab + j, x);
  };
  for (std::int64_t j = 0; j < p.vocab; ++j) {
    if (j % 3 != 0) set(0, j, -INFINITY);
    if (j != 17) set(1, j, -INFINITY);  // the label's too
    set(2, j, -INFINITY);
    set(5, j, 300 + double(j % 7) * 4);  // beyond any exponential
  }
  set(3, 1777, NAN), set(4, 1777, INFINITY);
  set(6, 2999, 1e30);
  check(gpu, p, b, 227, "infinities and NaN");
}

TEST(CrossEntropyOnSimt, WithoutScaleAndWithoutTokens) {
  LayerOnSimt gpu;
  CrossEntropyProblem p{2, 300, DType::f32, true, -100, 0};
  auto b = buffers_of(gpu, p);
  b.scale = nullptr;
  check(gpu, p, b, 227, "no scale");
  p.tokens = 0;
  EXPECT_TRUE(cross_entropy_plans(p, b, simt_target()).empty());
}

TEST(CrossEntropyPlans, KeepTheRowsOfALargeVocabulary) {
  const CrossEntropyProblem p{64, 128256, DType::bf16, true, -100, 0};
  const auto plan = cross_entropy_plans(p, {}, target_of(227)).front();
  EXPECT_EQ(plan.params.slots, kCrossEntropySlots);
  EXPECT_LE(plan.shared_bytes, 226U * 1024);
}

}  // namespace
}  // namespace assay
