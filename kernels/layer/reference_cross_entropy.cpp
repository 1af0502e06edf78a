// Cross-entropy in fp64, and how far fp32 may be from it.  u = 2^-24.
//
// 1. Every exponential's argument is x - m, m the largest logit, perhaps after both were scaled to base 2: its absolute
//    error is at most 4 u (|x| + |m|), and the exponential's own is below 8 u.  Of bf16 below 2^-17, 64 times less than
//    what the logits lost when they were rounded to be below 1: a polynomial of degree 4 is 2^-18.5 from 2^f, and where
//    m - 9.8 (ln 16384, rounded up) is taken off in place of m the argument's error is larger by 2.25 u 9.8 < 2^-19.5.
// 2. The sum of V positive numbers adds 2 sqrt(V) u, as sums of random roundings do, to the mean of those errors,
//    weighted by p.  The logarithm turns this relative error into an absolute one.
// 3. dlogits: p has the relative errors of its exponential and of the sum; then few roundings, and one to the type.
//    What an exponential below 2^-126 loses to zero is an absolute error.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/layer/cross_entropy.h"

namespace assay {
namespace {

const double kU = unit_roundoff(DType::f32);
const double kLost = std::ldexp(1.0, -125);
constexpr double kMostExponentError = 600;  // e to the power of more says no more, and must not overflow

double argument_error(DType dtype, double x, double max) {
  const double power = dtype == DType::bf16 ? 0x1p-17 : 8 * kU;
  return std::isinf(x) ? 0 : 4 * kU * (std::abs(x) + std::abs(max)) + power;
}

struct Softmax {
  std::vector<double> x;
  double max = -std::numeric_limits<double>::infinity(), lse = 0;
  double sum_error = 0;  // relative
};

Softmax softmax_of(const CrossEntropyProblem& problem, const void* logits, std::int64_t t) {
  Softmax s;
  s.x.resize(std::size_t(problem.vocab));
  bool nan = false;
  for (std::int64_t j = 0; j < problem.vocab; ++j) {
    const double x = load_element(problem.dtype, logits, t * problem.vocab + j);
    s.x[std::size_t(j)] = x;
    s.max = std::max(s.max, x);
    nan = nan || std::isnan(x);
  }
  if (nan || std::isinf(s.max)) {
    s.lse = std::numeric_limits<double>::quiet_NaN();
    return s;
  }
  double sum = 0, errors = 0;
  for (const double x : s.x) {
    const double e = std::exp(x - s.max);
    sum += e;
    errors += e * argument_error(problem.dtype, x, s.max);
  }
  s.lse = s.max + std::log(sum);
  s.sum_error = errors / sum + 2 * std::sqrt(double(problem.vocab)) * kU;
  return s;
}

LayerElement dlogit(const CrossEntropyProblem& problem, const Softmax& s, double lse_allowed, double scale,
                    std::int64_t j, bool label) {
  const double x = s.x[std::size_t(j)], p = std::exp(x - s.lse), z = problem.z_loss;
  const double factor = 1 + 2 * z * s.lse;
  const double value = scale * (p * factor - (label ? 1 : 0));
  const double relative =
      std::expm1(std::min(argument_error(problem.dtype, x, s.max) + s.sum_error, kMostExponentError)) + 4 * kU;
  const double of_p = p * (std::abs(factor) * relative + 2 * z * (lse_allowed + 4 * kU * std::abs(s.lse)));
  const double fp32 = std::abs(scale) * (of_p + 4 * kU * (p * std::abs(factor) + (label ? 1 : 0)));
  const double lost = kLost * (1 + std::abs(scale));
  return {value, fp32 + unit_roundoff(problem.dtype) * (std::abs(value) + fp32) + lost};
}

}  // namespace

std::string reason_labels_unfit(const CrossEntropyProblem& problem, const std::int32_t* labels) {
  for (std::int64_t t = 0; t < problem.tokens; ++t)
    if (labels[t] != problem.ignore_index && (labels[t] < 0 || labels[t] >= problem.vocab))
      return "token " + std::to_string(t) + " has label " + std::to_string(labels[t]) + ", which is neither in 0 .. " +
             std::to_string(problem.vocab - 1) + " nor " + std::to_string(problem.ignore_index) + ", to be ignored";
  return {};
}

CrossEntropyRow cross_entropy_reference(const CrossEntropyProblem& problem, const CrossEntropyBuffers& host,
                                        std::int64_t t) {
  CrossEntropyRow row;
  const std::int32_t label = host.labels[t];
  if (label == problem.ignore_index) {
    for (std::int64_t j = 0; problem.gradient && j < problem.vocab; ++j) row.dlogits.add({0, 0});
    return row;
  }
  const Softmax s = softmax_of(problem, host.logits, t);
  const double x = s.x[std::size_t(label)], z = problem.z_loss, scale = host.scale ? double(*host.scale) : 1;
  row.lse = {s.lse, s.sum_error + 4 * kU * (std::abs(s.lse) + std::abs(s.max)) + 4 * kU};
  row.loss.value = s.lse - x + z * s.lse * s.lse;
  row.loss.allowed = row.lse.allowed * (1 + 2 * z * std::abs(s.lse)) + 4 * kU * z * s.lse * s.lse +
                     (std::isinf(x) ? 0 : 2 * kU * (std::abs(s.lse) + std::abs(x)));
  for (std::int64_t j = 0; problem.gradient && j < problem.vocab; ++j)
    row.dlogits.add(dlogit(problem, s, row.lse.allowed, scale, j, j == label));
  return row;
}

}  // namespace assay
