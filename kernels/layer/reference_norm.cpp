// fp64 references of RMSNorm and LayerNorm, and the error a kernel may make on each element.
//
// With u = 2^-24 (fp32), n = hidden, s(n) = 2 sqrt(n) u (the error of a sum of n terms), before rounding to the
// problem's type:
//
// 1. mean (LayerNorm): (s(n) + 2 u) mean|x| =: m.  The difference d = x - mean has that and u |d|.
// 2. The mean of squares q: (s(n) + 4 u) q; what a wrong mean adds is exactly m^2, because the deviations' sum is zero;
//    squares below the normal numbers may be lost, 2^-126.  rstd = (q + epsilon)^(-1/2) has half of that, relative to q
//    + epsilon, and 6 u for the addition, the division by n and an approximate root: r.
// 3. y = d rstd weight (+ bias): |weight| rstd m + |y| (r + 4 u), and the last addition 2 u (|y| + |bias|).
// 4. Backward takes rstd (and mean) as given.  xhat = d rstd: 2 u; g = dy weight: u.  Means over hidden:
//    (s(n) + 2 u) mean|g| and (s(n) + 5 u) mean|g xhat|; the result 5 u of its terms' magnitudes.
// 5. Sums over tokens t: (s(tokens) + 4 u) sum|dy xhat|.
#include <cmath>

#include "kernels/layer/layer_norm.h"
#include "kernels/layer/reference_error.h"
#include "kernels/layer/rms_norm.h"

namespace assay {
namespace {

using reference::kF32Smallest;
using reference::kF32Unit;
using reference::load_row;
using reference::rounded;
using reference::sum_error;

/// What is normalised: x, or with `residual` the sum as it is stored.
template <class Problem, class Buffers>
std::vector<double> normalised_row(const Problem& p, const Buffers& host, std::int64_t token) {
  std::vector<double> row = load_row(p.dtype, host.x, token * p.hidden, p.hidden);
  if (p.residual && p.pass == LayerPass::forward) {
    const std::vector<double> skip = load_row(p.dtype, host.residual, token * p.hidden, p.hidden);
    for (std::size_t c = 0; c < row.size(); ++c) row[c] = round_to(p.dtype, row[c] + skip[c]);
  }
  return row;
}

/// Of one row: its mean (RMSNorm: 0, exactly) and 1 / sqrt(mean (x - mean)^2 + epsilon).
struct Statistics {
  LayerElement mean, rstd;
};

Statistics statistics(const std::vector<double>& x, bool centred, double epsilon) {
  const auto n = static_cast<std::int64_t>(x.size());
  double sum = 0, magnitude = 0, squares = 0;
  for (const double v : x) sum += v, magnitude += std::abs(v);
  Statistics s;
  if (centred) s.mean = {sum / double(n), (sum_error(n) + 2 * kF32Unit) * magnitude / double(n)};
  for (const double v : x) squares += (v - s.mean.value) * (v - s.mean.value);
  const double q = squares / double(n);
  const double q_error = (sum_error(n) + 4 * kF32Unit) * q + s.mean.allowed * s.mean.allowed + kF32Smallest;
  s.rstd.value = 1 / std::sqrt(q + epsilon);
  s.rstd.allowed = s.rstd.value * (q_error / (2 * (q + epsilon)) + 6 * kF32Unit);
  return s;
}

LayerElement normalised(DType dtype, double x, const Statistics& s, double weight, double bias) {
  const double scaled = (x - s.mean.value) * s.rstd.value * weight;
  const double error = std::abs(weight) * s.rstd.value * s.mean.allowed +
                       std::abs(scaled) * (s.rstd.allowed / s.rstd.value + 4 * kF32Unit) +
                       2 * kF32Unit * (std::abs(scaled) + std::abs(bias)) + kF32Smallest * std::abs(weight);
  return rounded(dtype, scaled + bias, error);
}

/// dx of a row, from xhat and g; `centred` takes the mean of g off.
LayerRow gradient(DType dtype, const std::vector<double>& xhat, const std::vector<double>& g, bool centred, double rstd,
                  const std::vector<double>& d_sum) {
  const auto n = static_cast<std::int64_t>(g.size());
  double sum = 0, magnitude = 0, dot = 0, dot_magnitude = 0;
  for (std::size_t c = 0; c < g.size(); ++c) {
    sum += g[c], magnitude += std::abs(g[c]);
    dot += g[c] * xhat[c], dot_magnitude += std::abs(g[c] * xhat[c]);
  }
  const double mean = centred ? sum / double(n) : 0, slope = dot / double(n);
  const double mean_error = centred ? (sum_error(n) + 2 * kF32Unit) * magnitude / double(n) : 0;
  const double slope_error = (sum_error(n) + 5 * kF32Unit) * dot_magnitude / double(n);
  LayerRow row;
  for (std::size_t c = 0; c < g.size(); ++c) {
    const double skip = d_sum.empty() ? 0 : d_sum[c];
    const double terms = std::abs(g[c]) + std::abs(mean) + std::abs(xhat[c] * slope);
    const double error =
        rstd * (mean_error + std::abs(xhat[c]) * slope_error + 5 * kF32Unit * terms) + kF32Unit * std::abs(skip);
    row.add(rounded(dtype, rstd * (g[c] - mean - xhat[c] * slope) + skip, error));
  }
  return row;
}

template <class Problem, class Buffers>
LayerRow reference_dx(const Problem& p, const Buffers& host, std::int64_t token, bool centred, double mean) {
  const std::int64_t first = token * p.hidden;
  std::vector<double> xhat = load_row(p.dtype, host.x, first, p.hidden);
  std::vector<double> g = load_row(p.dtype, host.dy, first, p.hidden);
  const std::vector<double> weight = load_row(p.dtype, host.weight, 0, p.hidden);
  const double rstd = host.rstd[token];
  for (std::size_t c = 0; c < g.size(); ++c) {
    xhat[c] = (xhat[c] - mean) * rstd;
    g[c] *= weight[c];
  }
  const auto d_sum = p.residual ? load_row(p.dtype, host.d_sum, first, p.hidden) : std::vector<double>();
  return gradient(p.dtype, xhat, g, centred, rstd, d_sum);
}

/// sum over tokens of dy times factor(token, x).
template <class Problem, class Buffers, class FactorOf>
LayerElement sum_over_tokens(const Problem& p, const Buffers& host, std::int64_t column, const FactorOf& factor) {
  double sum = 0, magnitude = 0;
  for (std::int64_t t = 0; t < p.tokens; ++t) {
    const std::int64_t at = t * p.hidden + column;
    const double term = load_element(p.dtype, host.dy, at) * factor(t, load_element(p.dtype, host.x, at));
    sum += term, magnitude += std::abs(term);
  }
  return rounded(DType::f32, sum, (sum_error(p.tokens) + 4 * kF32Unit) * magnitude);
}

}  // namespace

RmsNormRow rms_norm_reference(const RmsNormProblem& p, const RmsNormBuffers& host, std::int64_t token) {
  const std::vector<double> x = normalised_row(p, host, token);
  const std::vector<double> weight = load_row(p.dtype, host.weight, 0, p.hidden);
  const Statistics s = statistics(x, false, p.epsilon);
  RmsNormRow row;
  row.rstd = s.rstd;
  for (std::size_t c = 0; c < x.size(); ++c) {
    row.y.add(normalised(p.dtype, x[c], s, weight[c], 0));
    if (p.residual) row.sum.add({x[c], 0});
  }
  return row;
}

LayerRow rms_norm_reference_dx(const RmsNormProblem& p, const RmsNormBuffers& host, std::int64_t token) {
  return reference_dx(p, host, token, false, 0);
}

LayerElement rms_norm_reference_dw(const RmsNormProblem& p, const RmsNormBuffers& host, std::int64_t column) {
  return sum_over_tokens(p, host, column, [&](std::int64_t t, double x) { return x * host.rstd[t]; });
}

LayerNormReferenceRow layer_norm_reference(const LayerNormProblem& p, const LayerNormBuffers& host,
                                           std::int64_t token) {
  const std::vector<double> x = normalised_row(p, host, token);
  const std::vector<double> weight = load_row(p.dtype, host.weight, 0, p.hidden);
  const std::vector<double> bias = load_row(p.dtype, host.bias, 0, p.hidden);
  const Statistics s = statistics(x, true, p.epsilon);
  LayerNormReferenceRow row;
  row.mean = s.mean, row.rstd = s.rstd;
  for (std::size_t c = 0; c < x.size(); ++c) {
    row.y.add(normalised(p.dtype, x[c], s, weight[c], bias[c]));
    if (p.residual) row.sum.add({x[c], 0});
  }
  return row;
}

LayerRow layer_norm_reference_dx(const LayerNormProblem& p, const LayerNormBuffers& host, std::int64_t token) {
  return reference_dx(p, host, token, true, host.mean[token]);
}

LayerElement layer_norm_reference_dw(const LayerNormProblem& p, const LayerNormBuffers& host, std::int64_t column) {
  return sum_over_tokens(p, host, column, [&](std::int64_t t, double x) { return (x - host.mean[t]) * host.rstd[t]; });
}

LayerElement layer_norm_reference_db(const LayerNormProblem& p, const LayerNormBuffers& host, std::int64_t column) {
  return sum_over_tokens(p, host, column, [](std::int64_t, double) { return 1.0; });
}

}  // namespace assay
