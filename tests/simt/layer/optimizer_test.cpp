// AdamW and the gradient norm on the functional GPU, by the launch plans of the real launchers: the bits of the
// contracts' arithmetic, written out here once more, and within the fp64 references' bounds.
#include <algorithm>

#include "kernels/layer/cuda/adamw.h"
#include "kernels/layer/cuda/grad_norm.h"
#include "tests/simt/layer/layer_on_simt.h"

namespace assay {
namespace {

const simt::ptx::Module& adamw_module() {
  static const simt::ptx::Module module(simt::ptx_text(ASSAY_PTX_DIR, "layer_adamw_cuda"));
  return module;
}
const simt::ptx::Module& grad_norm_module() {
  static const simt::ptx::Module module(simt::ptx_text(ASSAY_PTX_DIR, "layer_grad_norm_cuda"));
  return module;
}

struct AdamWCase {
  std::int64_t elements;
  DType dtype, gradient;
  int shift;  // elements from the arrays' aligned beginnings
  bool scaled;
};

AdamWBuffers adamw_buffers(LayerOnSimt& gpu, const AdamWProblem& p, int shift, bool scaled) {
  const std::int64_t n = p.elements + shift;
  const auto floats = [&](double scale) { return static_cast<float*>(gpu.random(DType::f32, n, scale)) + shift; };
  AdamWBuffers b;
  b.master = floats(0.02), b.m = floats(1e-3), b.v = floats(1e-3);
  for (std::int64_t i = 0; i < p.elements; ++i) b.v[i] = b.v[i] * b.v[i];
  const auto shifted = [&](DType t, void* array) { return static_cast<char*>(array) + shift * int(size_bytes(t)); };
  if (p.has_master()) b.param = shifted(p.dtype, gpu.poisoned(p.dtype, n));
  b.gradient = shifted(p.gradient_dtype, gpu.random(p.gradient_dtype, n, 1e-2));
  b.v[0] = 0, store_element(p.gradient_dtype, const_cast<void*>(b.gradient), 0, 0);  // 0 / epsilon
  b.step = gpu.upload(std::vector<AdamWStep>{adamw_step(p, 3, 3e-4, 0.1)});
  if (scaled) b.gradient_scale = gpu.upload(std::vector<float>{0.37F});
  return b;
}

AdamWBuffers copy_of(LayerOnSimt& gpu, const AdamWProblem& p, AdamWBuffers b) {
  for (float** array : {&b.master, &b.m, &b.v}) *array = static_cast<float*>(gpu.copy(DType::f32, *array, p.elements));
  return b;
}

/// The contract's roundings, in plain C++.
void expected_step(const AdamWProblem& p, const AdamWBuffers& b, std::int64_t i, float& m, float& v, float& master) {
  const float g =
      (b.gradient_scale != nullptr ? *b.gradient_scale : 1.F) * float(load_element(p.gradient_dtype, b.gradient, i));
  const float rest1 = float(1 - double(p.beta1)), rest2 = float(1 - double(p.beta2));
  m = std::fma(p.beta1, b.m[i], rest1 * g);
  v = std::fma(p.beta2, b.v[i], rest2 * g * g);
  const float update = b.step->rate * m / std::fma(std::sqrt(v), b.step->root, p.epsilon);
  master = b.master[i] - std::fma(b.step->decay, b.master[i], update);
}

TEST(AdamWOnSimt, HasTheContractsBits) {
  for (const AdamWCase& c : {AdamWCase{1, DType::f32, DType::f32, 0, false},
                             {4099, DType::f32, DType::f32, 0, true},
                             {2051, DType::bf16, DType::bf16, 0, true},
                             {3000, DType::bf16, DType::f32, 0, false},
                             {333, DType::bf16, DType::bf16, 1, true},
                             {77, DType::f32, DType::f32, 1, true}}) {
    LayerOnSimt gpu(simt::Async::Random);
    const AdamWProblem p{c.elements, c.dtype, c.gradient};
    const auto b = adamw_buffers(gpu, p, c.shift, c.scaled);
    const auto before = copy_of(gpu, p, b);
    gpu.run(adamw_module(), adamw_plans(p, b));
    LayerComparison compare("adamw " + std::to_string(c.elements) + " " + name(c.dtype) + " " + name(c.gradient));
    for (std::int64_t i = 0; i < c.elements; ++i) {
      float m, v, master;
      expected_step(p, before, i, m, v, master);
      compare.element({m, 0}, b.m[i], "m", i);
      compare.element({v, 0}, b.v[i], "v", i);
      compare.element({master, 0}, b.master[i], "master", i);
      if (p.has_master())
        compare.element({round_to(p.dtype, master), 0}, load_element(p.dtype, b.param, i), "param", i);
      const AdamWElement exact = adamw_reference(p, before, i);
      compare.element(exact.m, b.m[i], "m (fp64)", i);
      compare.element(exact.v, b.v[i], "v (fp64)", i);
      compare.element(exact.master, b.master[i], "master (fp64)", i);
    }
  }
}

TEST(AdamWOnSimt, NanScaleIsSeenEverywhere) {
  LayerOnSimt gpu;
  const AdamWProblem p{100, DType::bf16, DType::bf16};
  auto b = adamw_buffers(gpu, p, 0, false);
  b.gradient_scale = gpu.upload(std::vector<float>{NAN});
  gpu.run(adamw_module(), adamw_plans(p, b));
  for (std::int64_t i = 0; i < p.elements; ++i)
    ASSERT_TRUE(std::isnan(b.m[i]) && std::isnan(b.v[i]) && std::isnan(b.master[i]))
        << "wrong result: NaN lost at " << i;
}

TEST(AdamWPlans, RefuseWhatTheContractHasNot) {
  EXPECT_TRUE(adamw_plans({0, DType::f32, DType::f32}, {}).empty());
  EXPECT_FALSE(supports_adamw_cuda({8, DType::f32, DType::bf16}).ok());
}

// ---------------------------------------------------------------- the gradient norm
struct Gradients {
  GradNormProblem problem;
  GradNormBuffers buffers;
};

Gradients gradients_of(LayerOnSimt& gpu, std::vector<std::int64_t> elements, DType dtype, double scale,
                       float max_norm) {
  Gradients g{{elements, dtype, max_norm}, {}};
  std::vector<const void*> arrays;
  for (const std::int64_t n : elements) arrays.push_back(gpu.random(dtype, n, scale));
  g.buffers.gradients = gpu.upload(arrays), g.buffers.elements = gpu.upload(elements);
  g.buffers.result = gpu.poisoned<GradNorm>(1);
  return g;
}

void run(LayerOnSimt& gpu, const Gradients& g) {
  auto* workspace = gpu.heap().allocate(std::size_t(grad_norm_workspace_bytes(g.problem)));
  const auto tables = grad_norm_tables(g.problem);
  std::memcpy(workspace, tables.data(), tables.size());
  gpu.run(grad_norm_module(), grad_norm_plans(g.problem, g.buffers, workspace));
}

template <class T>
T halved(std::vector<T> lane) {
  for (std::size_t half = lane.size() / 2; half > 0; half /= 2)
    for (std::size_t l = 0; l < half; ++l) lane[l] += lane[l + half];
  return lane[0];
}

/// The contract's sum, in plain C++.
double expected_sum(const Gradients& g) {
  std::vector<double> sums(kGradNormSums);
  std::size_t partials = 0;
  for (std::size_t k = 0; k < g.problem.elements.size(); ++k)
    for (std::int64_t first = 0; first < g.problem.elements[k]; first += kGradNormChunk) {
      std::vector<float> lane(kGradNormLanes);
      for (std::int64_t i = first; i < std::min(first + kGradNormChunk, g.problem.elements[k]); ++i) {
        const auto x = float(load_element(g.problem.dtype, g.buffers.gradients[k], i));
        float& sum = lane[std::size_t((i - first) % kGradNormLanes)];
        sum = std::fma(x, x, sum);
      }
      sums[partials++ % kGradNormSums] += double(halved(lane));
    }
  return halved(sums);
}

TEST(GradNormOnSimt, HasTheContractsBits) {
  for (const DType dtype : {DType::bf16, DType::f32})
    for (const auto async : {simt::Async::Lazy, simt::Async::Random}) {
      LayerOnSimt gpu(async);
      const auto g = gradients_of(gpu, {1, 63, 64, 16384, 16385, 5, 40000, 1000}, dtype, 0.1, 1);
      run(gpu, g);
      const GradNorm expected = grad_norm_of(expected_sum(g), 1);
      LayerComparison compare(std::string("gradient norm ") + name(dtype));
      compare.element({expected.sum_of_squares, 0}, g.buffers.result->sum_of_squares, "sum", 0);
      compare.element({expected.norm, 0}, g.buffers.result->norm, "norm", 0);
      compare.element({expected.clip, 0}, g.buffers.result->clip, "clip", 0);
      const GradNormReference exact = grad_norm_reference(g.problem, g.buffers);
      compare.element(exact.sum_of_squares, g.buffers.result->sum_of_squares, "sum (fp64)", 0);
      compare.element(exact.clip, g.buffers.result->clip, "clip (fp64)", 0);
    }
}

TEST(GradNormOnSimt, TensorsThatBeginAnywhere) {
  for (const DType dtype : {DType::bf16, DType::f32}) {
    LayerOnSimt gpu;
    auto g = gradients_of(gpu, {129, 70, 20001, 64}, dtype, 0.1, 1);
    std::vector<const void*> arrays;  // one behind the other
    const auto* at = static_cast<const char*>(gpu.random(dtype, 21000));
    for (const std::int64_t n : g.problem.elements) arrays.push_back(at), at += n * std::int64_t(size_bytes(dtype));
    g.buffers.gradients = gpu.upload(arrays);
    run(gpu, g);
    LayerComparison compare("tensors that begin anywhere");
    compare.element({expected_sum(g), 0}, g.buffers.result->sum_of_squares, "sum", 0);
  }
}

TEST(GradNormOnSimt, MoreChunksThanSums) {
  LayerOnSimt gpu;
  const auto g = gradients_of(gpu, std::vector<std::int64_t>(1300, 70), DType::f32, 1, 1);
  run(gpu, g);
  LayerComparison compare("1300 tensors");
  compare.element({expected_sum(g), 0}, g.buffers.result->sum_of_squares, "sum", 0);
}

TEST(GradNormOnSimt, SmallNormsAreNotScaledAndInfiniteOnesAreNan) {
  LayerOnSimt gpu;
  for (const double x : {0.0, 1e-3, double(INFINITY), double(NAN), 1e30}) {
    auto g = gradients_of(gpu, {130}, DType::f32, 0, 1);
    store_element(DType::f32, const_cast<void*>(g.buffers.gradients[0]), 77, x);
    run(gpu, g);
    const GradNorm expected = grad_norm_of(expected_sum(g), 1);
    LayerComparison compare("gradient norm of " + std::to_string(x));
    compare.element({expected.norm, 0}, g.buffers.result->norm, "norm", 0);
    compare.element({expected.clip, 0}, g.buffers.result->clip, "clip", 0);
  }
}

}  // namespace
}  // namespace assay
