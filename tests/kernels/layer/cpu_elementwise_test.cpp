// The CPU kernels of SwiGLU, GELU and the skip connection's addition against their references: ragged sizes, thread
// counts, extreme values, NaN, in place, streamed.
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <limits>

#include "kernels/layer/cpu/elementwise.h"
#include "kernels/layer/gelu.h"
#include "kernels/layer/residual_add.h"
#include "kernels/layer/swiglu.h"
#include "tests/kernels/layer/instruction_sets.h"
#include "tests/kernels/layer/layer_check.h"

namespace assay {
namespace {

using test::element_fault, test::GuardedArray, test::launch;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// Numbers where the formulas turn, saturate, vanish or overflow on the way.
const std::vector<double>& extremes() {
  static const std::vector<double> values = {0,    -0.0, 1,     -1,  -1.278, 0x1p-130, -0x1p-130, 1e-30, -1e-30, 8,
                                             -8,   20,   -20,   60,  -60,    87,       -87,       88.5,  -88.5,  95,
                                             -95,  103,  -103,  120, -120,   199,      -199,      201,   -201,   1e4,
                                             -1e4, 1e18, -1e18, 127, -127,   128,      -128,      0.5,   -0.5,   3};
  return values;
}

void set_extremes(GuardedArray& array) {
  for (std::int64_t i = 0; i < array.count(); ++i) array.set(i, extremes()[std::size_t(i) % extremes().size()]);
}

// --- SwiGLU

struct SwigluFixture {
  explicit SwigluFixture(const SwigluProblem& p)
      : problem(p),
        gate(p.dtype, input()),
        up(p.dtype, input()),
        y(p.dtype, p.elements()),
        dy(p.dtype, p.elements()),
        d_gate(p.dtype, input()),
        d_up(p.dtype, input()) {
    gate.fill_normal(1, 3), up.fill_normal(2), dy.fill_normal(3);
  }
  std::int64_t input() const { return problem.tokens * problem.input_stride(); }
  SwigluBuffers buffers() { return {gate.data(), up.data(), y.data(), dy.data(), d_gate.data(), d_up.data()}; }

  std::string fault(int threads) {
    for (const LayerPass pass : {LayerPass::forward, LayerPass::backward}) {
      problem.pass = pass;
      launch(swiglu_kernels().front(), problem, buffers(), threads);
    }
    for (std::int64_t t = 0; t < problem.tokens; ++t)
      for (std::int64_t c = 0; c < problem.ffn; ++c) {
        const std::int64_t at = t * problem.input_stride() + c;
        const SwigluGradients gradients = swiglu_reference_backward(problem, buffers(), t, c);
        std::string f = element_fault("y", y, t * problem.ffn + c, swiglu_reference(problem, buffers(), t, c));
        if (f.empty()) f = element_fault("d_gate", d_gate, at, gradients.d_gate);
        if (f.empty()) f = element_fault("d_up", d_up, at, gradients.d_up);
        if (!f.empty()) return f;
      }
    return {};
  }

  SwigluProblem problem;
  GuardedArray gate, up, y, dy, d_gate, d_up;
};

TEST(CpuSwiglu, RaggedSizes) {
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const std::int64_t ffn : {1, 3, 15, 16, 17, 31, 33, 64, 100}) {
      EXPECT_EQ(SwigluFixture({3, ffn, 0, dtype}).fault(1), "") << name(dtype) << " " << ffn;
      EXPECT_EQ(SwigluFixture({5, ffn, 2 * ffn + 1, dtype}).fault(2), "") << name(dtype) << " rows apart, " << ffn;
    }
  EXPECT_EQ(SwigluFixture({7, 3000, 0, DType::bf16}).fault(3), "");  // several granules a thread
}

TEST(CpuSwiglu, WhatLiesBetweenRowsIsNotWritten) {
  SwigluFixture fixture({4, 32, 40, DType::f32});
  EXPECT_EQ(fixture.fault(1), "");
  for (std::int64_t i = 0; i < 4 * 40; ++i)
    if (i % 40 >= 32) {
      EXPECT_TRUE(std::isnan(fixture.d_gate.at(i)) && std::isnan(fixture.d_up.at(i))) << i;
    }
}

TEST(CpuSwiglu, ExtremeValuesOnEveryInstructionSet) {
  test::on_every_instruction_set([] {
    for (const DType dtype : {DType::f32, DType::bf16})
      for (const double other : {1.0, -0x1p-20, 0x1p20}) {
        SwigluFixture fixture({1, 83, 0, dtype});
        set_extremes(fixture.gate);
        for (std::int64_t i = 0; i < 83; ++i) fixture.up.set(i, other), fixture.dy.set(i, 0.5);
        EXPECT_EQ(fixture.fault(1), "") << name(dtype) << " " << other;
      }
  });
}

/// Every bf16 number up to 1e18.
std::vector<double> all_of_bf16() {
  std::vector<double> values;
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const double value = double(bf16_to_float(static_cast<std::uint16_t>(bits)));
    if (std::abs(value) <= 1e18) values.push_back(value);
  }
  return values;
}

TEST(CpuSwiglu, EveryGateOfBf16OnEveryInstructionSet) {
  const std::vector<double> gates = all_of_bf16();
  test::on_every_instruction_set([&] {
    SwigluFixture fixture({1, std::int64_t(gates.size()), 0, DType::bf16});
    for (std::int64_t i = 0; i < fixture.gate.count(); ++i)
      fixture.gate.set(i, gates[std::size_t(i)]), fixture.up.set(i, 1), fixture.dy.set(i, 1);
    EXPECT_EQ(fixture.fault(2), "");
  });
}

TEST(CpuSwiglu, NanStaysWhereItIs) {
  test::on_every_instruction_set([] {
    for (const DType dtype : {DType::f32, DType::bf16})
      for (GuardedArray SwigluFixture::*input : {&SwigluFixture::gate, &SwigluFixture::up}) {
        SwigluFixture fixture({1, 70, 0, dtype});
        (fixture.*input).set(5, kNan), (fixture.*input).set(69, kNan);
        fixture.fault(1);
        for (std::int64_t i = 0; i < 70; ++i) EXPECT_EQ(std::isnan(fixture.y.at(i)), i == 5 || i == 69) << i;
        for (std::int64_t i = 0; i < 70; ++i) EXPECT_EQ(std::isnan(fixture.d_gate.at(i)), i == 5 || i == 69) << i;
      }
  });
}

TEST(CpuSwiglu, InPlace) {
  SwigluFixture apart({3, 50, 0, DType::bf16}), in_place(apart.problem);
  EXPECT_EQ(apart.fault(1), "");
  SwigluBuffers b = in_place.buffers();
  b.d_gate = in_place.gate.data(), b.d_up = in_place.up.data();
  in_place.problem.pass = LayerPass::backward;
  launch(swiglu_kernels().front(), in_place.problem, b, 1);
  EXPECT_EQ(in_place.gate.bytes(), apart.d_gate.bytes());
  EXPECT_EQ(in_place.up.bytes(), apart.d_up.bytes());
}

// --- GELU

struct GeluFixture {
  GeluFixture(std::int64_t n, DType dtype)
      : problem{1, n, dtype}, x(dtype, n), y(dtype, n), dy(dtype, n), dx(dtype, n) {
    x.fill_normal(1, 2), dy.fill_normal(2);
  }
  GeluBuffers buffers() { return {x.data(), y.data(), dy.data(), dx.data()}; }
  std::string fault(int threads) {
    for (const LayerPass pass : {LayerPass::forward, LayerPass::backward}) {
      problem.pass = pass;
      launch(gelu_kernels().front(), problem, buffers(), threads);
      for (std::int64_t i = 0; i < x.count(); ++i) {
        const bool forward = pass == LayerPass::forward;
        std::string f = element_fault(forward ? "y" : "dx", forward ? y : dx, i, gelu_reference(problem, buffers(), i));
        if (!f.empty()) return f;
      }
    }
    return {};
  }
  GeluProblem problem;
  GuardedArray x, y, dy, dx;
};

TEST(CpuGelu, RaggedSizesAndExtremeValues) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const std::int64_t n : {1, 15, 32, 33, 100, 9000}) EXPECT_EQ(GeluFixture(n, dtype).fault(2), "") << n;
    test::on_every_instruction_set([&] {
      GeluFixture fixture(83, dtype);
      set_extremes(fixture.x);
      EXPECT_EQ(fixture.fault(1), "") << name(dtype);
    });
  }
}

TEST(CpuGelu, EveryInputOfBf16OnEveryInstructionSet) {
  const std::vector<double> inputs = all_of_bf16();
  test::on_every_instruction_set([&] {
    GeluFixture fixture(std::int64_t(inputs.size()), DType::bf16);
    for (std::int64_t i = 0; i < fixture.x.count(); ++i) fixture.x.set(i, inputs[std::size_t(i)]), fixture.dy.set(i, 1);
    EXPECT_EQ(fixture.fault(2), "");
  });
}

TEST(CpuGelu, NanStaysWhereItIs) {
  GeluFixture fixture(70, DType::bf16);
  fixture.x.set(7, kNan);
  fixture.fault(1);
  for (std::int64_t i = 0; i < 70; ++i) EXPECT_EQ(std::isnan(fixture.y.at(i)), i == 7) << i;
}

// --- the skip connection's addition

TEST(CpuResidualAdd, ExactOnEveryInstructionSet) {
  test::on_every_instruction_set([] {
    for (const DType dtype : {DType::f32, DType::bf16})
      for (const std::int64_t n : {1, 31, 64, 5000}) {
        GuardedArray a(dtype, n), b(dtype, n), out(dtype, n);
        a.fill_normal(1), b.fill_normal(2, 0x1p-6);  // ties of bf16 among them
        b.set(0, -a.at(0));
        const ResidualAddProblem problem{1, n, dtype};
        launch(residual_add_kernels().front(), problem, {a.data(), b.data(), out.data()}, 2);
        for (std::int64_t i = 0; i < n; ++i)
          ASSERT_EQ(element_fault("out", out, i, residual_add_reference(problem, {a.data(), b.data()}, i)), "");
      }
  });
}

TEST(CpuResidualAdd, SubnormalNumbersStay) {
  GuardedArray a(DType::bf16, 64), b(DType::bf16, 64), out(DType::bf16, 64);
  for (std::int64_t i = 0; i < 64; ++i) a.set(i, double(i) * 0x1p-133), b.set(i, 0x1p-133);
  launch(residual_add_kernels().front(), ResidualAddProblem{1, 64, DType::bf16}, {a.data(), b.data(), out.data()}, 1);
  for (std::int64_t i = 0; i < 64; ++i) EXPECT_EQ(out.at(i), double(i + 1) * 0x1p-133);
}

// --- large problems write past the caches: other instructions, the same bits

void expect_streamed_as_stored(void (*sweep)(const cpu::ElementwisePart&), DType dtype, int outputs) {
  GuardedArray in[3] = {{dtype, 513}, {dtype, 513}, {dtype, 513}},
               out[2][2] = {{{dtype, 513}, {dtype, 513}}, {{dtype, 513}, {dtype, 513}}};
  for (unsigned i = 0; i < 3; ++i) in[i].fill_normal(i + 1);
  cpu::ElementwisePart part;
  part.dtype = dtype, part.count = 513;
  for (int i = 0; i < 3; ++i) part.in[i].data = in[i].data();
  for (const int stream : {0, 1}) {
    part.stream = stream == 1;
    for (int o = 0; o < 2; ++o) part.out[o].data = out[stream][o].data();
    sweep(part);
  }
  for (int o = 0; o < outputs; ++o) EXPECT_EQ(out[0][o].bytes(), out[1][o].bytes());
  EXPECT_FALSE(std::isnan(out[0][0].at(512)));
}

TEST(CpuElementwise, StreamedAsStored) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    expect_streamed_as_stored(cpu::swiglu_forward, dtype, 1);
    expect_streamed_as_stored(cpu::swiglu_backward, dtype, 2);
    expect_streamed_as_stored(cpu::gelu_forward, dtype, 1);
    expect_streamed_as_stored(cpu::gelu_backward, dtype, 1);
    expect_streamed_as_stored(cpu::residual_add, dtype, 1);
  }
}

}  // namespace
}  // namespace assay
