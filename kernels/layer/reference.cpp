// fp64 references of the operations that work element by element, and the error a kernel may make on each.
//
// With u = 2^-24 (fp32), before the result is rounded to the problem's type:
//
// RoPE.  Two products and their sum: 3 u (|x cos| + |x' sin|).
//
// Sigmoid s = 1 / (1 + exp(-z)), where z has the absolute error e.  The exponential's argument is z times a rounded
// constant, 2 u |z|; the exponential itself is good to p; an error d of the argument changes s by s (1 - s) d; the
// addition and the division (or an approximate reciprocal) q:
//      s ((1 - s) (e + 2 u |z| + p) + q)
//    fp32: p and q are 4 u.  bf16: p is 2^-13, a sixteenth of what rounding the result may do (a polynomial of degree 3
//    is 2^-13.7 from 2^f), and of what is s times something q is 2^-14 + 4 u (a reciprocal of 14 bits); but 4 u of a
//    gradient's, where 1 - s must be good, too.
//    Between z = -200 and fp32's underflow s may be lost: 2^-126.  Below -200 it is 0, because exp(-z) is infinite.
//    1 - s, computed as that, has the error of s and u; above z = 20 s is 1 and all of 1 - s is lost.
//
// SwiGLU.  y = gate s up: two more products.  d_gate = dy up s (1 + gate (1 - s)), where the bracket may cancel: its
//    error is that of its terms, |gate| times that of 1 - s, and 2 u of their magnitudes.
//
// GELU.  z takes six roundings: e = 6 u |z|.  dx = dy (s + x s (1 - s) z'), z' as z.
//
// The skip connection's addition is one rounding of an exact sum: of two bf16, fp32's own rounding on the way never
// changes which bf16 is nearest.  No error is allowed.
#include <cmath>

#include "kernels/layer/gelu.h"
#include "kernels/layer/reference_error.h"
#include "kernels/layer/residual_add.h"
#include "kernels/layer/rope.h"
#include "kernels/layer/swiglu.h"

namespace assay {
namespace {

using reference::kF32Smallest;
using reference::kF32Unit;
using reference::rounded;

struct Sigmoid {
  double s = 0, rest = 0;              // s, 1 - s
  double s_error = 0, rest_error = 0;  // absolute
};

Sigmoid sigmoid(DType dtype, LayerPass pass, double z, double z_error) {
  const bool coarse = dtype == DType::bf16;
  const double power_error = coarse ? 0x1p-13 : 4 * kF32Unit;
  const double quotient_error = 4 * kF32Unit + (coarse && pass == LayerPass::forward ? 0x1p-14 : 0);
  constexpr double kGone = -200, kSaturated = 20;
  Sigmoid v;
  v.s = 1 / (1 + std::exp(-z));
  v.rest = 1 / (1 + std::exp(z));
  if (z < kGone) {
    v.s_error = v.s;
    v.rest_error = kF32Unit;
    return v;
  }
  const double exponential_error = z_error + 2 * kF32Unit * std::abs(z) + power_error;
  v.s_error = v.s * (v.rest * exponential_error + quotient_error) + kF32Smallest;
  v.rest_error = z > kSaturated ? v.rest : v.s_error + kF32Unit;
  return v;
}

}  // namespace

void fill_rope_tables(const RopeProblem& p, double theta, float* cos, float* sin) {
  const std::int64_t half = p.head_dim / 2;
  for (std::int64_t i = 0; i < half; ++i) {
    const double frequency = std::pow(theta, -2.0 * double(i) / double(p.head_dim));
    for (std::int64_t position = 0; position < p.positions; ++position) {
      cos[position * half + i] = static_cast<float>(std::cos(double(position) * frequency));
      sin[position * half + i] = static_cast<float>(std::sin(double(position) * frequency));
    }
  }
}

LayerRow rope_reference(const RopeProblem& p, const RopeBuffers& host, std::int64_t token, std::int64_t head) {
  const bool forward = p.pass == LayerPass::forward;
  const std::int64_t half = p.head_dim / 2;
  const std::int64_t position = host.position_ids != nullptr ? host.position_ids[token] : token % p.positions;
  const auto x =
      reference::load_row(p.dtype, forward ? host.x : host.dy, (token * p.heads + head) * p.head_dim, p.head_dim);
  LayerRow row;
  for (std::int64_t c = 0; c < p.head_dim; ++c) {
    const std::int64_t i = c % half;
    const double other = x[static_cast<std::size_t>(c < half ? c + half : i)];
    const double sign = (c < half) == forward ? -1 : 1;
    const double turned = x[static_cast<std::size_t>(c)] * host.cos[position * half + i];
    const double crossed = sign * other * host.sin[position * half + i];
    row.add(rounded(p.dtype, turned + crossed, 3 * kF32Unit * (std::abs(turned) + std::abs(crossed))));
  }
  return row;
}

LayerElement swiglu_reference(const SwigluProblem& p, const SwigluBuffers& host, std::int64_t token,
                              std::int64_t column) {
  const double gate = load_element(p.dtype, host.gate, token * p.input_stride() + column);
  const double up = load_element(p.dtype, host.up, token * p.input_stride() + column);
  const Sigmoid v = sigmoid(p.dtype, LayerPass::forward, gate, 0);
  const double y = gate * v.s * up;
  return rounded(p.dtype, y, std::abs(gate * up) * v.s_error + 3 * kF32Unit * std::abs(y));
}

SwigluGradients swiglu_reference_backward(const SwigluProblem& p, const SwigluBuffers& host, std::int64_t token,
                                          std::int64_t column) {
  const double gate = load_element(p.dtype, host.gate, token * p.input_stride() + column);
  const double up = load_element(p.dtype, host.up, token * p.input_stride() + column);
  const double dy = load_element(p.dtype, host.dy, token * p.ffn + column);
  const Sigmoid v = sigmoid(p.dtype, LayerPass::backward, gate, 0);
  const double bracket = 1 + gate * v.rest;
  const double bracket_error = std::abs(gate) * v.rest_error + 2 * kF32Unit * (1 + std::abs(gate * v.rest));
  const double d_gate = dy * up * v.s * bracket, d_up = dy * gate * v.s;
  const double d_gate_error = std::abs(dy * up) * (v.s * bracket_error + std::abs(bracket) * v.s_error);
  return {rounded(p.dtype, d_gate, d_gate_error + 4 * kF32Unit * std::abs(d_gate)),
          rounded(p.dtype, d_up, std::abs(dy * gate) * v.s_error + 3 * kF32Unit * std::abs(d_up))};
}

LayerElement gelu_reference(const GeluProblem& p, const GeluBuffers& host, std::int64_t element) {
  const double x = load_element(p.dtype, host.x, element);
  const double z = kGeluLinear * (x + kGeluCubic * x * x * x);
  const Sigmoid v = sigmoid(p.dtype, p.pass, z, 6 * kF32Unit * std::abs(z));
  if (p.pass == LayerPass::forward)
    return rounded(p.dtype, x * v.s, std::abs(x) * v.s_error + 2 * kF32Unit * std::abs(x * v.s));
  const double dy = load_element(p.dtype, host.dy, element);
  const double slope = kGeluLinear * (1 + 3 * kGeluCubic * x * x);
  const double bend = x * v.s * v.rest * slope;
  const double bend_error =
      std::abs(x * slope) * (v.s * v.rest_error + v.rest * v.s_error) + 8 * kF32Unit * std::abs(bend);
  const double dx = dy * (v.s + bend);
  return rounded(
      p.dtype, dx,
      std::abs(dy) * (v.s_error + bend_error + 2 * kF32Unit * (v.s + std::abs(bend))) + kF32Unit * std::abs(dx));
}

LayerElement residual_add_reference(const ResidualAddProblem& p, const ResidualAddBuffers& host, std::int64_t element) {
  return {round_to(p.dtype, load_element(p.dtype, host.a, element) + load_element(p.dtype, host.b, element)), 0};
}

}  // namespace assay
