#include "harness/verdict/outliers.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "harness/measure/statistics.h"

namespace assay {
namespace {

constexpr double kMadToSigma = 1.4826;         // of a normal distribution, 1 / quantile(0.75)
constexpr double kUpperTenthToSigma = 1.2816;  // quantile(0.9)
constexpr std::size_t kLeastForTenth = 20;     // fewer values have no upper tenth to speak of
constexpr std::size_t kLeastForSecond = 4;     // of fewer, the second largest is the median
// MAD knows sigma as well as a standard deviation of 0.37 times as many values would (Rousseeuw and Croux 1993).
constexpr double kMadEfficiency = 0.37;
// However many nodes: medians of cases with two modes have tails heavier than normal.
constexpr double kMostFreedom = 20;
// MAD of few values comes out too small; n / (n - 0.8) undoes most of that (Croux and Rousseeuw 1992).
constexpr double kFewValues = 0.8;
constexpr int kMostRounds = 10;  // of the criterion; two or three settle it

double middle(const Quantiles& q) { return 0.5 * (double(q[kQuantiles / 2 - 1]) + double(q[kQuantiles / 2])); }

double area(const Quantiles& a, const Quantiles& b) {
  double sum = 0;
  for (std::size_t i = 0; i < kQuantiles; ++i) sum += std::abs(double(a[i]) - double(b[i]));
  return sum / kQuantiles;
}

/// The member nearest to the median of each quantile of the members.
std::size_t nearest_to_middle(std::span<const Quantiles> samples, const std::vector<std::size_t>& members) {
  Quantiles centre{};
  std::vector<double> column(members.size());
  for (std::size_t i = 0; i < kQuantiles; ++i) {
    for (std::size_t m = 0; m < members.size(); ++m) column[m] = double(samples[members[m]][i]);
    centre[i] = float(median_of(column));
  }
  return *std::min_element(members.begin(), members.end(), [&](std::size_t a, std::size_t b) {
    return area(samples[a], centre) < area(samples[b], centre);
  });
}

}  // namespace

double median_of(std::span<double> values) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  const auto upper = values.begin() + std::ptrdiff_t(values.size() / 2);
  std::nth_element(values.begin(), upper, values.end());
  if (values.size() % 2 == 1) return *upper;
  return 0.5 * (*upper + *std::max_element(values.begin(), upper));
}

double weighted_median(std::span<const double> values, std::span<const double> weights) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  const double half = std::accumulate(weights.begin(), weights.end(), 0.0) / 2;
  double below = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    below += weights[order[i]];
    if (below == half && i + 1 < order.size()) return 0.5 * (values[order[i]] + values[order[i + 1]]);
    if (below >= half) return values[order[i]];
  }
  return values[order.back()];
}

Spread robust_spread(std::span<const double> values, double floor) {
  Spread out;
  std::vector<double> work(values.begin(), values.end());
  out.centre = median_of(work);
  for (std::size_t i = 0; i < values.size(); ++i) work[i] = std::abs(values[i] - out.centre);
  out.mad = median_of(work);
  const double n = double(values.size());
  out.sigma = std::max(floor, kMadToSigma * out.mad * n / std::max(n - kFewValues, 1 - kFewValues));
  return out;
}

Spread spread_of_case(std::span<const double> values, double floor) {
  Spread out = robust_spread(values, floor);
  std::vector<double> work(values.begin(), values.end());
  std::sort(work.begin(), work.end());
  if (work.size() >= kLeastForTenth)
    out.sigma = std::max(out.sigma, (quantile(work, 0.9) - out.centre) / kUpperTenthToSigma);
  else if (work.size() >= kLeastForSecond)
    out.sigma = std::max(out.sigma, work[work.size() - 2] - out.centre);  // about one sigma in 7 to 19 values
  return out;
}

double upper_tail(double z, std::size_t n) {
  if (n < 2 || std::isnan(z)) return 1;
  if (z <= 0) return 0.5;
  // Wallace (1959): a normal deviate of nearly the same probability; exact as the degrees of freedom grow.
  const double freedom = std::clamp(kMadEfficiency * double(n - 1), 1.0, kMostFreedom);
  const double normal = (8 * freedom + 1) / (8 * freedom + 3) * std::sqrt(freedom * std::log1p(z * z / freedom));
  return 0.5 * std::erfc(normal / std::sqrt(2.0));
}

std::vector<bool> rejected(std::span<const double> p, double q) {
  std::vector<double> ordered(p.begin(), p.end());
  std::sort(ordered.begin(), ordered.end());
  double limit = -1;
  for (std::size_t k = ordered.size(); k > 0 && limit < 0; --k)
    if (ordered[k - 1] <= q * double(k) / double(ordered.size())) limit = ordered[k - 1];
  std::vector<bool> out(p.size());
  for (std::size_t i = 0; i < p.size(); ++i) out[i] = p[i] <= limit;
  return out;
}

double flag_threshold(const Spread& spread) { return std::max(kLeastDeficit, kSigmas * kMadToSigma * spread.mad); }

Quantiles quantiles_of(std::span<const double> sorted) {
  Quantiles out;
  for (std::size_t i = 0; i < kQuantiles; ++i) out[i] = float(quantile(sorted, (double(i) + 0.5) / kQuantiles));
  return out;
}

double slower_area(const Quantiles& samples, const Quantiles& criterion) {
  double sum = 0;
  for (std::size_t i = 0; i < kQuantiles; ++i) sum += std::max(0.0, double(samples[i]) - double(criterion[i]));
  return sum / kQuantiles;
}

std::size_t criterion_of(std::span<const Quantiles> samples, double similar) {
  std::vector<std::size_t> members(samples.size());
  std::iota(members.begin(), members.end(), 0);
  std::size_t criterion = nearest_to_middle(samples, members);
  for (int round = 0; round < kMostRounds; ++round) {
    std::vector<std::size_t> kept;
    const double median = middle(samples[criterion]);
    for (std::size_t i = 0; i < samples.size(); ++i)
      if (1 - slower_area(samples[i], samples[criterion]) / median >= similar) kept.push_back(i);
    if (kept == members) break;
    members = std::move(kept);  // the criterion itself is always among them
    criterion = nearest_to_middle(samples, members);
  }
  return criterion;
}

}  // namespace assay
