// Attention's reference: one query in fp64, and the error a kernel of the contract may make on it.
//
// With u = 2^-24 (fp32), u_in the roundoff of the inputs' type, n the keys the query sees, p_j the exact softmax:
//
// 1. Scores.  s_j = scale * q.k_j is summed in fp32: its absolute error is
//      e_j = 2 sqrt(d) u scale sum|q k_j| + 4 u (|s_j| + |max s|) + 8 u.
//    The second term is the scaling, the change to base 2 and the subtraction of the maximum; the third the
//    exponential's own error, which is relative to its result and so absolute in its argument.  Weights are then
//    p_j exp(t_j) / sum p exp(t) for some |t_j| <= e_j, and because sum p_j (v_j - o) = 0,
//      |o' - o| <= sum p_j (exp(e_j) - 1) |v_j - o| / sum p_j exp(-e_j),
//    and never more than the farthest v_j is from o.
// 2. Weights rounded to the input type before the second product (not for f32).  Errors of one row are independent
//    of v: where they are alike they cancel in the quotient or scale o, where they differ they add up as squares:
//      u_in (|o| + 6 sqrt(sum (p_j v_j)^2)), and never more than u_in sum p_j |v_j|.
//    A weight under the type's normal range (relative to the largest weight) may lose all it has, or half a step.
//    e4m3's roundings are 2^-4, where a factor to spare would hide a lost block of keys: 3.5 in place of the 6.  (An
//    error spread evenly over +- u_in has the standard deviation u_in / sqrt(3); 3.5 are six of these.)  Weights are
//    multiplied by 2^8 before: below 2^-14 of the largest they lose half a step of the subnormals, 2^-18.
// 3. The second product and the sum of the weights, in fp32: 2 sqrt(n) u (sum p_j |v_j| + |o|), and 8 u |o| for the
//    division and the rescaling.
// 4. Rounding of the output, to the output's type.
// 5. Hopper's sums of 8-bit products are cut to about 14 bits: coarse_sum_error() in reference_rows.h says what that
//    adds.  To the sums of 3 as it is.  To the scores, times the scale: E_j, which knows nothing of v and differs from
//    key to key, so that what 1 adds up for e_j adds up as squares; 3 sqrt(sum (p_j (exp(E_j) - 1) |v_j - o|)^2), E_j
//    being about two standard deviations.
// Factors of scaled inputs belong to the scale of the scores and to v; the roundings of their products are in the 4 u
// of 1 and the 8 u of 3. The log-sum-exp has 1 (as ln sum p_j exp(e_j)), 5 (the part that always shrinks scores like
// e_j, the rest as squares), 3 (as 2 sqrt(n) u) and the rounding of maximum plus logarithm.
#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "kernels/attention/attention.h"
#include "kernels/attention/reference_rows.h"

namespace assay {
namespace {

using reference::kF32Roundoff;
using reference::load_row;

double factor(const float* scale) { return scale != nullptr ? *scale : 1; }

/// Refuses host arrays that lack the factors the problem's type has, which would be taken for 1.
void require_factors(const AttentionProblem& problem, const AttentionBuffers& host) {
  if (problem.scaled() && !(host.q_scale && host.k_scale && host.v_scale))
    throw std::logic_error(std::string("attention_reference: q, k and v in ") + name(problem.dtype) + " need factors");
}

/// The softmax of one query.
struct Weights {
  std::vector<double> p;       // [n]
  std::vector<double> error;   // [n], e_j
  std::vector<double> coarse;  // [n], E_j
  double shrinkage = 0;        // sum p_j (the part of E_j that always has the same direction)
  double max = -std::numeric_limits<double>::infinity();
  double sum = 0;  // of exp(s_j - max)
};

Weights softmax(const AttentionProblem& problem, const std::vector<double>& q, const AttentionBuffers& host,
                std::int64_t b, std::int64_t h_kv, KeyRange keys, const Accumulation& how) {
  const double scale = problem.scale() * factor(host.q_scale) * factor(host.k_scale);
  Weights w;
  w.p.resize(static_cast<std::size_t>(keys.size()));
  w.error.resize(w.p.size()), w.coarse.resize(w.p.size());
  std::vector<double> shrinks(w.p.size());
  std::vector<double> key(q.size());
  for (std::size_t j = 0; j < w.p.size(); ++j) {
    load_row(problem.dtype, host.k, problem.k_index(b, keys.begin + static_cast<std::int64_t>(j), h_kv), key);
    const reference::Dot score = reference::dot(q, key);
    w.p[j] = scale * score.value;
    w.error[j] = std::abs(scale) * score.fp32_error();
    const reference::CoarseError coarse = score.coarse_error(how);
    w.coarse[j] = std::min(std::abs(scale) * coarse.all(), reference::kMaxScoreError);
    shrinks[j] = std::abs(scale) * coarse.shrinks;
    // Not std::max: a NaN score must become a NaN maximum, whichever came first.
    w.max = w.p[j] > w.max || std::isnan(w.p[j]) ? w.p[j] : w.max;
  }
  for (std::size_t j = 0; j < w.p.size(); ++j) {
    w.error[j] = reference::score_error(w.error[j], w.p[j], w.max);
    w.p[j] = std::exp(w.p[j] - w.max);
    w.sum += w.p[j];
  }
  for (std::size_t j = 0; j < w.p.size(); ++j) {
    w.p[j] /= w.sum;
    w.shrinkage += w.p[j] * shrinks[j];
  }
  return w;
}

/// What one column of o is made of; v with its factor.
struct ColumnSums {
  double absolute = 0;   // sum p |v|
  double squares = 0;    // sum (p v)^2
  double shifted = 0;    // sum p (exp(e) - 1) |v - o|
  double walked = 0;     // sum (p (exp(E) - 1) |v - o|)^2
  double farthest = 0;   // max |v - o|
  double underflow = 0;  // sum of what weights below the type's normal range may lose, times |v|
};

/// What weight p_j may lose to the end of the type's normal range: nothing above it; below, all of it or the smallest
/// normal number, whichever is less (instructions may flush subnormals).
double underflow(const Weights& w, std::size_t j, DType t) {
  if (t == DType::e4m3) {  // conversions to e4m3 keep subnormals
    const double smallest_weight = std::ldexp(1.0, info(t).min_exponent - kE4m3WeightExponent) / w.sum;
    return w.p[j] < smallest_weight ? std::min(w.p[j], std::ldexp(smallest_weight, -info(t).significand_bits)) : 0;
  }
  const double smallest = std::ldexp(1.0, info(t).min_exponent) / w.sum;
  return w.p[j] < smallest
             ? std::min(w.p[j], t == DType::f16 ? std::ldexp(smallest, -info(t).significand_bits) : smallest)
             : 0;
}

double allowed_error(const AttentionProblem& problem, double o, const ColumnSums& c, double least_sum, std::size_t keys,
                     const Accumulation& how) {
  const double n = static_cast<double>(keys), spread = problem.dtype == DType::e4m3 ? 3.5 : 6;
  const double u_in = problem.dtype == DType::f32 ? 0 : unit_roundoff(problem.dtype);
  const double scores = std::min((c.shifted + 3 * std::sqrt(c.walked)) / least_sum, c.farthest);
  const double weights = std::min(u_in * (std::abs(o) + spread * std::sqrt(c.squares)), u_in * c.absolute);
  const double sums = kF32Roundoff * (2 * std::sqrt(n) * (c.absolute + std::abs(o)) + 8 * std::abs(o));
  const double coarse = reference::coarse_sum_error(keys, o, c.squares, c.absolute, how).all();
  const double before_output = scores + weights + c.underflow + sums + coarse;
  const DTypeInfo& type = info(problem.out_dtype());
  const double half_subnormal_step = std::ldexp(1.0, type.min_exponent - type.significand_bits);
  return before_output + unit_roundoff(problem.out_dtype()) * (std::abs(o) + before_output) + half_subnormal_step;
}

/// o, and the allowed error of each of its elements.
void weigh_values(const AttentionProblem& problem, const Weights& w, const AttentionBuffers& host, std::int64_t b,
                  std::int64_t h_kv, std::int64_t first, const Accumulation& how, AttentionRow& row) {
  std::vector<double> value(row.o.size());
  const auto load_value = [&](std::size_t j) {
    load_row(problem.dtype, host.v, problem.v_index(b, first + static_cast<std::int64_t>(j), h_kv), value);
    if (problem.scaled())
      for (double& x : value) x *= factor(host.v_scale);
  };
  double least_sum = 0;
  for (std::size_t j = 0; j < w.p.size(); ++j) {
    load_value(j);
    for (std::size_t c = 0; c < value.size(); ++c) row.o[c] += w.p[j] * value[c];
    least_sum += w.p[j] * std::exp(-w.error[j] - w.coarse[j]);
  }
  std::vector<ColumnSums> columns(row.o.size());
  for (std::size_t j = 0; j < w.p.size(); ++j) {
    load_value(j);
    const double shift = w.p[j] * std::expm1(w.error[j]), walk = w.p[j] * std::expm1(w.coarse[j]);
    const double lost = underflow(w, j, problem.dtype);
    for (std::size_t c = 0; c < value.size(); ++c) {
      const double distance = std::abs(value[c] - row.o[c]);
      columns[c].absolute += w.p[j] * std::abs(value[c]);
      columns[c].squares += w.p[j] * value[c] * (w.p[j] * value[c]);
      columns[c].shifted += shift * distance;
      columns[c].walked += walk * distance * (walk * distance);
      columns[c].farthest = std::max(columns[c].farthest, distance);
      columns[c].underflow += lost * std::abs(value[c]);
    }
  }
  for (std::size_t c = 0; c < row.o.size(); ++c)
    row.allowed[c] = allowed_error(problem, row.o[c], columns[c], least_sum, w.p.size(), how);
}

}  // namespace

AttentionRow attention_reference(const AttentionProblem& problem, const AttentionBuffers& host, std::int64_t b,
                                 std::int64_t h, std::int64_t i, const Accumulation& how) {
  require_factors(problem, host);
  const auto d_v = static_cast<std::size_t>(problem.value_dim());
  const KeyRange keys = problem.visible_keys(b, i);
  const std::int64_t h_kv = h / problem.group();
  AttentionRow row{std::vector<double>(d_v, 0.0), std::vector<double>(d_v, 0.0)};
  if (keys.size() == 0) {  // sees no key: exact by definition
    row.lse = -std::numeric_limits<double>::infinity();
    return row;
  }
  std::vector<double> query(static_cast<std::size_t>(problem.head_dim));
  load_row(problem.dtype, host.q, problem.q_index(b, i, h), query);
  const Weights w = softmax(problem, query, host, b, h_kv, keys, how);
  weigh_values(problem, w, host, b, h_kv, keys.begin, how, row);
  double most_sum = 0, walked = 0;
  for (std::size_t j = 0; j < w.p.size(); ++j) {
    most_sum += w.p[j] * std::exp(w.error[j]);
    walked += w.p[j] * w.coarse[j] * (w.p[j] * w.coarse[j]);
  }
  row.lse = w.max + std::log(w.sum);
  row.lse_allowed =
      std::log(most_sum) + w.shrinkage + 3 * std::sqrt(walked) +
      kF32Roundoff * (2 * std::sqrt(static_cast<double>(keys.size())) + 4 * (std::abs(row.lse) + std::abs(w.max) + 1));
  return row;
}

AttentionRow attention_reference(const AttentionProblem& problem, const void* q, const void* k, const void* v,
                                 std::int64_t b, std::int64_t h, std::int64_t i) {
  AttentionBuffers host;
  host.q = q, host.k = k, host.v = v;
  return attention_reference(problem, host, b, h, i);
}

}  // namespace assay
