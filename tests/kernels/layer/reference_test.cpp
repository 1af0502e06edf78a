// The references against results known without them: values worked out by hand, finite differences of forward for
// backward, identities, and planted errors, which must exceed what they allow.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "kernels/layer/gelu.h"
#include "kernels/layer/layer_norm.h"
#include "kernels/layer/residual_add.h"
#include "kernels/layer/rms_norm.h"
#include "kernels/layer/rope.h"
#include "kernels/layer/swiglu.h"
#include "tests/kernels/layer/layer_check.h"

namespace assay {
namespace {

using Floats = std::vector<float>;

TEST(RmsNormReference, ByHand) {
  const Floats x{3, 4}, weight{1, 2};
  RmsNormProblem p{1, 2};
  p.epsilon = 12.5F;  // as large as the mean of squares: rstd = 1 / 5
  RmsNormBuffers b;
  b.x = x.data(), b.weight = weight.data();
  const RmsNormRow row = rms_norm_reference(p, b, 0);
  EXPECT_DOUBLE_EQ(row.rstd.value, 0.2);
  EXPECT_DOUBLE_EQ(row.y.value[0], 0.6);
  EXPECT_DOUBLE_EQ(row.y.value[1], 1.6);
}

TEST(RmsNormReference, NormalisesTheSumAsItIsStored) {
  // 1 + 2^-9 is no bf16: the sum is 1.
  std::vector<std::uint16_t> x{float_to_bf16(1), float_to_bf16(1)}, skip{float_to_bf16(0x1p-9F), float_to_bf16(0)};
  RmsNormProblem p{1, 2, DType::bf16};
  p.residual = true, p.epsilon = 3;
  RmsNormBuffers b;
  b.x = x.data(), b.residual = skip.data(), b.weight = x.data();
  const RmsNormRow row = rms_norm_reference(p, b, 0);
  EXPECT_EQ(row.sum.value, (std::vector<double>{1, 1}));
  EXPECT_EQ(row.sum.allowed, (std::vector<double>{0, 0}));
  EXPECT_EQ(row.y.value, (std::vector<double>{0.5, 0.5}));
}

TEST(LayerNormReference, ByHand) {
  const Floats x{1, 5}, weight{1, 2}, bias{10, 20};
  LayerNormProblem p{1, 2};
  p.epsilon = 12;  // variance 4: rstd = 1 / 4
  LayerNormBuffers b;
  b.x = x.data(), b.weight = weight.data(), b.bias = bias.data();
  const LayerNormReferenceRow row = layer_norm_reference(p, b, 0);
  EXPECT_DOUBLE_EQ(row.mean.value, 3);
  EXPECT_DOUBLE_EQ(row.rstd.value, 0.25);
  EXPECT_DOUBLE_EQ(row.y.value[0], 9.5);
  EXPECT_DOUBLE_EQ(row.y.value[1], 21);
}

TEST(RopeReference, ByHand) {
  // Two heads of four elements at position 1: pairs (0, 2) by 1 radian and (1, 3) by 1 / 100 of one.
  RopeProblem p{2, 2, 4, 2};
  Floats cos(4), sin(4);
  fill_rope_tables(p, 10000, cos.data(), sin.data());
  EXPECT_EQ(cos[0], 1);
  EXPECT_EQ(sin[1], 0);
  EXPECT_FLOAT_EQ(cos[2], std::cos(1.0F));
  EXPECT_FLOAT_EQ(sin[3], std::sin(0.01F));
  Floats x(16, 0);
  x[8] = 1, x[9] = 2, x[14] = 3;  // token 1: head 0 has (1, 2, 0, 0), head 1 (0, 0, 3, 0)
  RopeBuffers b;
  b.x = x.data(), b.cos = cos.data(), b.sin = sin.data();
  EXPECT_EQ(rope_reference(p, b, 1, 0).value, (std::vector<double>{cos[2], 2.0 * cos[3], sin[2], 2.0 * sin[3]}));
  EXPECT_EQ(rope_reference(p, b, 1, 1).value, (std::vector<double>{-3.0 * sin[2], 0, 3.0 * cos[2], 0}));
  const std::int32_t ids[] = {1, 0};
  b.position_ids = ids;
  EXPECT_EQ(rope_reference(p, b, 1, 0).value, (std::vector<double>{1, 2, 0, 0}));
}

TEST(RopeReference, BackwardUndoesForward) {
  RopeProblem p{3, 1, 8, 3};
  Floats cos(12), sin(12), x(24), y(24);
  fill_rope_tables(p, 10000, cos.data(), sin.data());
  for (int i = 0; i < 24; ++i) x[std::size_t(i)] = float(i - 11);
  RopeBuffers b;
  b.x = x.data(), b.cos = cos.data(), b.sin = sin.data();
  for (std::int64_t t = 0; t < 3; ++t) {
    const LayerRow row = rope_reference(p, b, t, 0);
    for (std::size_t c = 0; c < 8; ++c) y[std::size_t(t) * 8 + c] = float(row.value[c]);
  }
  p.pass = LayerPass::backward;
  b.dy = y.data();
  for (std::int64_t t = 0; t < 3; ++t)
    for (std::size_t c = 0; c < 8; ++c)
      EXPECT_NEAR(rope_reference(p, b, t, 0).value[c], x[std::size_t(t) * 8 + c], 1e-5);
}

TEST(SwigluReference, ByHand) {
  // gate = ln 3: s = 3 / 4
  const Floats gate{0, std::log(3.0F)}, up{5, 2}, dy{7, 4};
  SwigluProblem p{1, 2};
  const SwigluBuffers b{gate.data(), up.data(), nullptr, dy.data()};
  EXPECT_EQ(swiglu_reference(p, b, 0, 0).value, 0);
  EXPECT_NEAR(swiglu_reference(p, b, 0, 1).value, 2 * 0.75 * std::log(3.0), 1e-6);
  EXPECT_DOUBLE_EQ(swiglu_reference_backward(p, b, 0, 0).d_gate.value, 7 * 5 * 0.5);
  EXPECT_NEAR(swiglu_reference_backward(p, b, 0, 1).d_gate.value, 4 * 2 * 0.75 * (1 + std::log(3.0) / 4), 1e-6);
  EXPECT_NEAR(swiglu_reference_backward(p, b, 0, 1).d_up.value, 4 * 0.75 * std::log(3.0), 1e-6);
}

TEST(SwigluReference, RowsApart) {
  const Floats both{1, 2, 10, 20, 3, 4, 30, 40};  // two rows of gate and up
  SwigluProblem p{2, 2, 4};
  const SwigluBuffers b{both.data(), both.data() + 2};
  EXPECT_DOUBLE_EQ(swiglu_reference(p, b, 1, 0).value, 3 / (1 + std::exp(-3.0)) * 30);
}

TEST(GeluReference, ByHand) {
  const Floats x{0, 1, -1};
  const GeluBuffers b{x.data()};
  const double published = 0.8411919906082768;  // gelu_new(1) = 1/2 (1 + tanh(sqrt(2 / pi) 1.044715))
  EXPECT_EQ(gelu_reference({1, 3}, b, 0).value, 0);
  EXPECT_NEAR(gelu_reference({1, 3}, b, 1).value, published, 1e-15);
  EXPECT_NEAR(gelu_reference({1, 3}, b, 2).value, published - 1, 1e-15);
}

TEST(ResidualAddReference, RoundsOnceAndAllowsNothing) {
  const std::uint16_t a = float_to_bf16(1), b = float_to_bf16(0x1.8p-8F);  // 1 + 1.5 steps of half: up to 1 + 2^-7
  const LayerElement sum = residual_add_reference({1, 1, DType::bf16}, {&a, &b}, 0);
  EXPECT_EQ(sum.value, 1 + 0x1p-7);
  EXPECT_EQ(sum.allowed, 0);
}

// --- finite differences

/// d f / d x[i] by central differences of two steps, extrapolated: an error of the order of 2^-28.  x is cut to
/// multiples of 2^-12 beforehand, so that every moved one is an fp32 number exactly.
double slope(Floats& x, std::size_t i, const std::function<double()>& f) {
  const float at = x[i];
  const auto difference = [&](float step) {
    x[i] = at + step;
    const double above = f();
    x[i] = at - step;
    const double below = f();
    x[i] = at;
    return (above - below) / (2.0 * step);
  };
  const double coarse = difference(0x1p-6F), fine = difference(0x1p-7F);
  return fine + (fine - coarse) / 3;
}

Floats numbers(std::size_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  Floats x(count);
  for (float& v : x) v = std::round(normal(engine) * 4096) / 4096;
  return x;
}

constexpr double kNear = 2e-6;  // rstd, which backward is given, is rounded to fp32; the differences' own error is less

double weighted(const LayerRow& row, const Floats& dy, std::int64_t token) {
  double sum = 0;
  for (std::size_t c = 0; c < row.value.size(); ++c)
    sum += row.value[c] * dy[std::size_t(token) * row.value.size() + c];
  return sum;
}

template <class Problem>
Problem three_tokens(LayerPass pass) {
  Problem p{3, 5};
  p.pass = pass;
  p.epsilon = 0.125F;
  return p;
}

TEST(RmsNormReference, GradientsAreFiniteDifferences) {
  using P = RmsNormProblem;
  const P forward = three_tokens<P>(LayerPass::forward), backward = three_tokens<P>(LayerPass::backward);
  Floats x = numbers(15, 1), weight = numbers(5, 2), rstd(3);
  const Floats dy = numbers(15, 3);
  RmsNormBuffers b;
  b.x = x.data(), b.weight = weight.data(), b.dy = dy.data(), b.rstd = rstd.data();
  const auto loss = [&] {
    double sum = 0;
    for (std::int64_t t = 0; t < 3; ++t) sum += weighted(rms_norm_reference(forward, b, t).y, dy, t);
    return sum;
  };
  for (std::int64_t t = 0; t < 3; ++t) rstd[std::size_t(t)] = float(rms_norm_reference(forward, b, t).rstd.value);
  for (std::int64_t t = 0; t < 3; ++t) {
    const LayerRow dx = rms_norm_reference_dx(backward, b, t);
    for (std::size_t c = 0; c < 5; ++c) EXPECT_NEAR(dx.value[c], slope(x, std::size_t(t) * 5 + c, loss), kNear);
  }
  for (std::size_t c = 0; c < 5; ++c)
    EXPECT_NEAR(rms_norm_reference_dw(backward, b, std::int64_t(c)).value, slope(weight, c, loss), kNear);
}

TEST(LayerNormReference, GradientsAreFiniteDifferences) {
  using P = LayerNormProblem;
  const P forward = three_tokens<P>(LayerPass::forward), backward = three_tokens<P>(LayerPass::backward);
  Floats x = numbers(15, 1), weight = numbers(5, 2), bias = numbers(5, 4), rstd(3), mean(3);
  const Floats dy = numbers(15, 3);
  LayerNormBuffers b;
  b.x = x.data(), b.weight = weight.data(), b.bias = bias.data(), b.dy = dy.data();
  b.rstd = rstd.data(), b.mean = mean.data();
  const auto loss = [&] {
    double sum = 0;
    for (std::int64_t t = 0; t < 3; ++t) sum += weighted(layer_norm_reference(forward, b, t).y, dy, t);
    return sum;
  };
  for (std::int64_t t = 0; t < 3; ++t) {
    const LayerNormReferenceRow row = layer_norm_reference(forward, b, t);
    rstd[std::size_t(t)] = float(row.rstd.value), mean[std::size_t(t)] = float(row.mean.value);
  }
  for (std::int64_t t = 0; t < 3; ++t) {
    const LayerRow dx = layer_norm_reference_dx(backward, b, t);
    for (std::size_t c = 0; c < 5; ++c) EXPECT_NEAR(dx.value[c], slope(x, std::size_t(t) * 5 + c, loss), kNear);
  }
  for (std::int64_t c = 0; c < 5; ++c) {
    EXPECT_NEAR(layer_norm_reference_dw(backward, b, c).value, slope(weight, std::size_t(c), loss), kNear);
    EXPECT_NEAR(layer_norm_reference_db(backward, b, c).value, slope(bias, std::size_t(c), loss), kNear);
  }
}

TEST(NormReferences, TheSkipConnectionsGradientIsAdded) {
  const Floats x = numbers(5, 1), weight = numbers(5, 2), dy = numbers(5, 3), d_sum = numbers(5, 4);
  Floats rstd{0.5F};
  RmsNormProblem p{1, 5};
  p.pass = LayerPass::backward;
  RmsNormBuffers b;
  b.x = x.data(), b.weight = weight.data(), b.dy = dy.data(), b.rstd = rstd.data(), b.d_sum = d_sum.data();
  const LayerRow alone = rms_norm_reference_dx(p, b, 0);
  p.residual = true;
  const LayerRow with = rms_norm_reference_dx(p, b, 0);
  for (std::size_t c = 0; c < 5; ++c) EXPECT_DOUBLE_EQ(with.value[c], alone.value[c] + d_sum[c]);
}

TEST(SwigluReference, GradientsAreFiniteDifferences) {
  Floats gate = numbers(20, 1), up = numbers(20, 2);
  const Floats dy = numbers(20, 3);
  const SwigluProblem p{1, 20};
  const SwigluBuffers b{gate.data(), up.data(), nullptr, dy.data()};
  for (std::int64_t c = 0; c < 20; ++c) {
    const auto loss = [&] { return swiglu_reference(p, b, 0, c).value * dy[std::size_t(c)]; };
    const SwigluGradients gradients = swiglu_reference_backward(p, b, 0, c);
    EXPECT_NEAR(gradients.d_gate.value, slope(gate, std::size_t(c), loss), kNear);
    EXPECT_NEAR(gradients.d_up.value, slope(up, std::size_t(c), loss), kNear);
  }
}

TEST(GeluReference, GradientIsFiniteDifferences) {
  Floats x = numbers(20, 1);
  const Floats dy = numbers(20, 3);
  GeluProblem forward{1, 20}, backward{1, 20};
  backward.pass = LayerPass::backward;
  const GeluBuffers b{x.data(), nullptr, dy.data()};
  for (std::int64_t c = 0; c < 20; ++c) {
    const auto loss = [&] { return gelu_reference(forward, b, c).value * dy[std::size_t(c)]; };
    EXPECT_NEAR(gelu_reference(backward, b, c).value, slope(x, std::size_t(c), loss), kNear);
  }
}

// --- what is allowed is small enough to see a mistake

TEST(AllowedErrors, AreBelowOrdinaryMistakes) {
  const std::int64_t n = 4096;
  const Floats x = numbers(std::size_t(n), 1), weight(std::size_t(n), 1.0F);
  RmsNormProblem p{1, n};
  RmsNormBuffers b;
  b.x = x.data(), b.weight = weight.data();
  const RmsNormRow row = rms_norm_reference(p, b, 0);
  // One square of 4096 left out of the mean: about 1 / 8192 of rstd.
  EXPECT_LT(row.rstd.allowed, row.rstd.value / 8192 / 4);
  // An exponential good to 2^-16.
  const Floats one{1};
  const LayerElement y = swiglu_reference({1, 1}, {one.data(), one.data()}, 0, 0);
  EXPECT_LT(y.allowed, y.value * 0x1p-18);
}

}  // namespace
}  // namespace assay
