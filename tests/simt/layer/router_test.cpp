// The experts' router on the functional GPU, by the launch plans of the real launcher, against the fp64 reference.
#include "kernels/layer/cuda/router.h"
#include "tests/simt/layer/layer_on_simt.h"

namespace assay {
namespace {

const simt::ptx::Module& module() {
  static const simt::ptx::Module module(simt::ptx_text(ASSAY_PTX_DIR, "layer_router_cuda"));
  return module;
}

RouterProblem problem(std::int64_t tokens, std::int64_t experts, std::int64_t top_k, RouterGate gate, bool renormalise,
                      std::int64_t groups, std::int64_t top_groups, DType dtype) {
  RouterProblem p;
  p.tokens = tokens, p.experts = experts, p.top_k = top_k, p.gate = gate, p.renormalise = renormalise;
  p.groups = groups, p.top_groups = top_groups, p.dtype = dtype;
  p.scale = gate == RouterGate::sigmoid ? 2.5F : 1;
  return p;
}

// Mixtral's; one expert; all chosen; DeepSeek-V3's; groups of one expert and of odd sizes; as many experts as there may
// be.
std::vector<RouterProblem> problems() {
  constexpr auto softmax = RouterGate::softmax, sigmoid = RouterGate::sigmoid;
  return {problem(9, 8, 2, softmax, true, 1, 1, DType::bf16),     problem(3, 1, 1, softmax, true, 1, 1, DType::f32),
          problem(5, 32, 32, softmax, false, 1, 1, DType::f32),   problem(7, 60, 4, softmax, false, 1, 1, DType::bf16),
          problem(6, 256, 8, sigmoid, true, 8, 4, DType::f32),    problem(5, 128, 6, sigmoid, false, 1, 1, DType::bf16),
          problem(6, 15, 3, sigmoid, true, 5, 2, DType::f32),     problem(4, 16, 3, sigmoid, true, 16, 5, DType::f32),
          problem(3, 1024, 10, softmax, true, 1, 1, DType::bf16), problem(3, 700, 5, sigmoid, true, 7, 3, DType::f32)};
}

std::string describe(const RouterProblem& p) {
  return std::to_string(p.top_k) + " of " + std::to_string(p.experts) + " " + name(p.gate) + " " + name(p.dtype) + " " +
         std::to_string(p.groups) + " groups";
}

RouterBuffers buffers_of(LayerOnSimt& gpu, const RouterProblem& p) {
  RouterBuffers b;
  b.logits = gpu.random(p.dtype, p.tokens * p.experts, 2);
  if (p.gate == RouterGate::sigmoid) b.bias = static_cast<float*>(gpu.random(DType::f32, p.experts, 0.1));
  b.expert = gpu.poisoned<std::int32_t>(p.tokens * p.top_k), b.weight = gpu.poisoned<float>(p.tokens * p.top_k);
  b.dweight = static_cast<float*>(gpu.random(DType::f32, p.tokens * p.top_k));
  b.dlogits = gpu.poisoned(p.dtype, p.tokens * p.experts);
  return b;
}

void check_forward(LayerOnSimt& gpu, RouterProblem p, const RouterBuffers& b) {
  p.pass = LayerPass::forward;
  gpu.run(module(), router_plans(p, b));
  LayerComparison compare("router " + describe(p));
  for (std::int64_t t = 0; t < p.tokens; ++t) {
    const std::int32_t* expert = b.expert + t * p.top_k;
    const std::string wrong = router_allows(p, b, t, expert);
    ASSERT_EQ(wrong, "") << "wrong result: " << describe(p);
    compare.row(router_reference_weights(p, b, t, expert), DType::f32, b.weight, "weight", t);
  }
}

void check_backward(LayerOnSimt& gpu, RouterProblem p, RouterBuffers b) {
  p.pass = LayerPass::backward;
  gpu.run(module(), router_plans(p, b));
  LayerComparison compare("router backward " + describe(p));
  for (std::int64_t t = 0; t < p.tokens; ++t)
    compare.row(router_reference_dlogits(p, b, t), p.dtype, b.dlogits, "dlogits", t);
  const void* apart = b.dlogits;
  b.logits = b.dlogits = gpu.copy(p.dtype, b.logits, p.tokens * p.experts);
  gpu.run(module(), router_plans(p, b));
  compare.same_bits(apart, b.dlogits, storage_bytes(p.dtype, p.tokens * p.experts), "in place");
}

TEST(RouterOnSimt, EqualsReference) {
  for (const RouterProblem& p : problems()) {
    LayerOnSimt gpu;
    const auto b = buffers_of(gpu, p);
    check_forward(gpu, p, b);
    check_backward(gpu, p, b);
  }
}

TEST(RouterOnSimt, InAnySchedule) {
  for (const auto async : {simt::Async::Eager, simt::Async::Random}) {
    LayerOnSimt gpu(async, true);
    const auto p = problem(9, 64, 6, RouterGate::sigmoid, true, 8, 3, DType::bf16);
    const auto b = buffers_of(gpu, p);
    check_forward(gpu, p, b);
    check_backward(gpu, p, b);
  }
}

TEST(RouterOnSimt, TiesGoToTheLowerNumber) {
  LayerOnSimt gpu;
  const auto p = problem(4, 70, 5, RouterGate::softmax, true, 1, 1, DType::f32);
  const auto b = buffers_of(gpu, p);
  auto* x = static_cast<float*>(const_cast<void*>(b.logits));
  for (std::int64_t e = 0; e < 70; ++e) {
    x[e] = 1;                                   // all alike
    x[70 + e] = e % 7 == 3 ? 2 : float(e % 2);  // 3, 10, 17, 24, 31
    x[140 + e] = e % 2 ? 0.F : -0.F;            // zeros are alike
    x[210 + e] = e == 40 ? -NAN : e == 50 ? INFINITY : -INFINITY;
  }
  gpu.run(module(), router_plans(p, b));
  const std::int32_t expected[] = {0, 1, 2, 3, 4, 3, 10, 17, 24, 31, 0, 1, 2, 3, 4, 40, 50, 0, 1, 2};
  for (int i = 0; i < 20; ++i) EXPECT_EQ(b.expert[i], expected[i]) << "wrong result: tie at " << i;
}

TEST(RouterOnSimt, TiesOfGroups) {
  LayerOnSimt gpu;
  auto p = problem(1, 12, 3, RouterGate::sigmoid, true, 4, 2, DType::f32);
  auto b = buffers_of(gpu, p);
  b.bias = nullptr;
  auto* x = static_cast<float*>(const_cast<void*>(b.logits));
  for (int e = 0; e < 12; ++e) x[e] = e / 3 == 0 ? -1.F : 0.5F;  // groups 1, 2 and 3 are alike
  gpu.run(module(), router_plans(p, b));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(b.expert[i], 3 + i) << "wrong result: tie of groups";
}

TEST(RouterPlans, RefuseWhatDoesNotFit) {
  EXPECT_TRUE(supports_router_cuda(problem(1, 256, 8, RouterGate::sigmoid, true, 8, 4, DType::f32)).ok());
  EXPECT_FALSE(supports_router_cuda(problem(1, 256, 8, RouterGate::sigmoid, true, 64, 8, DType::f32)).ok());
  EXPECT_FALSE(supports_router_cuda(problem(1, 8, 9, RouterGate::softmax, true, 1, 1, DType::f32)).ok());
}

}  // namespace
}  // namespace assay
