// SwiGLU, GELU and the skip connection's addition on the functional GPU, by the launch plans of the real launchers,
// against the fp64 references.
#include "kernels/layer/cuda/elementwise.h"
#include "tests/simt/layer/layer_on_simt.h"

namespace assay {
namespace {

const simt::ptx::Module& module() {
  static const simt::ptx::Module module(simt::ptx_text(ASSAY_PTX_DIR, "layer_elementwise_cuda"));
  return module;
}

/// Rows `stride` apart (0: packed); `shift` elements from the arrays' aligned beginnings.
struct Case {
  std::int64_t tokens, ffn, stride;
  DType dtype;
  int shift;
};

std::string describe(const Case& c) {
  return std::to_string(c.tokens) + "x" + std::to_string(c.ffn) + " of " + std::to_string(c.stride) + " " +
         name(c.dtype) + " shift " + std::to_string(c.shift);
}

// One element; less than a vector; several tiles and a ragged end; rows apart, in vectors and not; unaligned arrays.
const Case kCases[] = {
    {1, 1, 0, DType::bf16, 0},     {1, 7, 0, DType::bf16, 0},       {3, 5461, 0, DType::bf16, 0},
    {5, 1000, 0, DType::f32, 0},   {9, 2048, 4096, DType::bf16, 0}, {7, 72, 200, DType::bf16, 0},
    {6, 516, 1032, DType::f32, 0}, {5, 101, 202, DType::bf16, 0},   {3, 96, 0, DType::bf16, 1},
    {4, 31, 0, DType::f32, 1},
};

/// Normal values of deviation 4, and those where sigmoids saturate, overflow their exponential, or meet zero.
void* activations(LayerOnSimt& gpu, const Case& c, std::int64_t count) {
  void* array = gpu.random(c.dtype, count, 4);
  const double special[] = {0, -0.0, 30, -30, 90, -90, 300, -300, 1e-30, 1e15, -1e15};
  for (std::int64_t i = 0; i < std::int64_t(std::size(special)) && i * 3 < count; ++i)
    store_element(c.dtype, array, i * 3, special[i]);
  return array;
}

void* shifted(const Case& c, void* array) {
  return static_cast<char*>(array) + std::size_t(c.shift) * size_bytes(c.dtype);
}

SwigluProblem swiglu(const Case& c, LayerPass pass) { return {c.tokens, c.ffn, c.stride, c.dtype, pass}; }

/// gate and up are halves of one array where rows are apart.
SwigluBuffers swiglu_buffers(LayerOnSimt& gpu, const Case& c) {
  SwigluBuffers b;
  const std::int64_t n = c.tokens * c.ffn + c.shift, apart = c.tokens * c.stride;
  if (c.stride == 0) {
    b.gate = shifted(c, activations(gpu, c, n)), b.up = shifted(c, gpu.random(c.dtype, n));
    b.d_gate = shifted(c, gpu.poisoned(c.dtype, n)), b.d_up = shifted(c, gpu.poisoned(c.dtype, n));
  } else {
    const std::size_t half = std::size_t(c.stride / 2) * size_bytes(c.dtype);
    b.gate = activations(gpu, c, apart), b.d_gate = gpu.poisoned(c.dtype, apart);
    b.up = static_cast<const char*>(b.gate) + half, b.d_up = static_cast<char*>(b.d_gate) + half;
  }
  b.dy = shifted(c, gpu.random(c.dtype, n)), b.y = shifted(c, gpu.poisoned(c.dtype, n));
  return b;
}

TEST(SwigluOnSimt, ForwardEqualsReference) {
  for (const Case& c : kCases) {
    LayerOnSimt gpu;
    const auto p = swiglu(c, LayerPass::forward);
    const auto b = swiglu_buffers(gpu, c);
    gpu.run(module(), swiglu_plans(p, b));
    LayerComparison compare("swiglu " + describe(c));
    for (std::int64_t t = 0; t < c.tokens; ++t)
      for (std::int64_t i = 0; i < c.ffn; ++i)
        compare.element(swiglu_reference(p, b, t, i), load_element(c.dtype, b.y, t * c.ffn + i), "y", t, i);
  }
}

TEST(SwigluOnSimt, BackwardEqualsReference) {
  for (const Case& c : kCases) {
    LayerOnSimt gpu;
    const auto p = swiglu(c, LayerPass::backward);
    const auto b = swiglu_buffers(gpu, c);
    gpu.run(module(), swiglu_plans(p, b));
    LayerComparison compare("swiglu backward " + describe(c));
    for (std::int64_t t = 0; t < c.tokens; ++t)
      for (std::int64_t i = 0; i < c.ffn; ++i) {
        const SwigluGradients expected = swiglu_reference_backward(p, b, t, i);
        const std::int64_t at = t * p.input_stride() + i;
        compare.element(expected.d_gate, load_element(c.dtype, b.d_gate, at), "d_gate", t, i);
        compare.element(expected.d_up, load_element(c.dtype, b.d_up, at), "d_up", t, i);
      }
  }
}

TEST(SwigluOnSimt, NothingBetweenRowsIsWritten) {
  const Case c{5, 64, 200, DType::bf16, 0};
  LayerOnSimt gpu;
  const auto b = swiglu_buffers(gpu, c);
  gpu.run(module(), swiglu_plans(swiglu(c, LayerPass::backward), b));
  for (std::int64_t i = 0; i < c.tokens * c.stride; ++i)
    ASSERT_EQ(std::isnan(load_element(c.dtype, b.d_gate, i)), i % 100 >= 64) << "wrong result: between rows, at " << i;
}

TEST(SwigluOnSimt, InPlaceAndInAnyScheduleTheBitsAreTheSame) {
  const Case c{3, 3000, 0, DType::bf16, 0};
  for (const auto async : {simt::Async::Eager, simt::Async::Random}) {
    LayerOnSimt gpu(async, true);
    const auto p = swiglu(c, LayerPass::backward);
    const std::int64_t n = p.elements();
    const auto b = swiglu_buffers(gpu, c);
    auto in_place = b;
    in_place.gate = in_place.d_gate = gpu.copy(c.dtype, b.gate, n);
    in_place.up = in_place.d_up = gpu.copy(c.dtype, b.up, n);
    gpu.run(module(), swiglu_plans(p, b));
    gpu.run(module(), swiglu_plans(p, in_place));
    LayerComparison compare("swiglu in place");
    compare.same_bits(b.d_gate, in_place.d_gate, storage_bytes(c.dtype, n), "d_gate");
    compare.same_bits(b.d_up, in_place.d_up, storage_bytes(c.dtype, n), "d_up");
  }
}

TEST(GeluOnSimt, EqualsReference) {
  for (const Case& c : kCases) {
    if (c.stride != 0) continue;
    for (const auto pass : {LayerPass::forward, LayerPass::backward}) {
      LayerOnSimt gpu;
      const GeluProblem p{c.tokens, c.ffn, c.dtype, pass};
      const std::int64_t n = p.elements() + c.shift;
      GeluBuffers b;
      b.x = shifted(c, activations(gpu, c, n)), b.dy = shifted(c, gpu.random(c.dtype, n));
      b.y = shifted(c, gpu.poisoned(c.dtype, n)), b.dx = shifted(c, gpu.poisoned(c.dtype, n));
      gpu.run(module(), gelu_plans(p, b));
      LayerComparison compare("gelu " + describe(c) + name(pass));
      const void* result = pass == LayerPass::forward ? b.y : b.dx;
      for (std::int64_t i = 0; i < p.elements(); ++i)
        compare.element(gelu_reference(p, b, i), load_element(c.dtype, result, i), "y or dx", i);
    }
  }
}

TEST(ResidualAddOnSimt, EqualsReferenceInPlaceToo) {
  for (const Case& c : kCases) {
    if (c.stride != 0) continue;
    LayerOnSimt gpu;
    const ResidualAddProblem p{c.tokens, c.ffn, c.dtype};
    const std::int64_t n = p.elements() + c.shift;
    ResidualAddBuffers b;
    b.a = shifted(c, gpu.random(c.dtype, n)), b.b = shifted(c, gpu.random(c.dtype, n));
    b.out = shifted(c, gpu.poisoned(c.dtype, n));
    gpu.run(module(), residual_add_plans(p, b));
    ResidualAddBuffers in_place = b;
    in_place.a = in_place.out = shifted(c, gpu.poisoned(c.dtype, n));
    std::memcpy(in_place.out, b.a, std::size_t(storage_bytes(c.dtype, p.elements())));
    gpu.run(module(), residual_add_plans(p, in_place));
    LayerComparison compare("addition " + describe(c));
    for (std::int64_t i = 0; i < p.elements(); ++i)
      compare.element(residual_add_reference(p, b, i), load_element(c.dtype, b.out, i), "out", i);
    compare.same_bits(b.out, in_place.out, storage_bytes(c.dtype, p.elements()), "out");
  }
}

TEST(ElementwisePlans, NothingToDo) { EXPECT_TRUE(gelu_plans({0, 128, DType::bf16, LayerPass::forward}, {}).empty()); }

TEST(FastDivideTest, EqualsDivision) {
  for (const std::uint32_t d : {1U, 2U, 3U, 7U, 64U, 127U, 1792U, 14336U, 65537U, 0x7fffffffU}) {
    const FastDivide divide(d);
    for (const std::uint32_t near : {0U, 1U, d, 2 * d, 1000 * d, 0x7fffffffU / d * d, 0x7fffffffU, 0x40000000U})
      for (std::uint32_t n : {near - 1, near, near + 1}) {
        if (n >= 0x80000000U) continue;
        ASSERT_EQ(divide.quotient(n), n / d) << n << " / " << d;
      }
  }
}

}  // namespace
}  // namespace assay
