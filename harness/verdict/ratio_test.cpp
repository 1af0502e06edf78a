#include "harness/verdict/ratio_test.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "harness/core/names.h"
#include "harness/measure/hypothesis.h"

namespace assay {
namespace {

constexpr Named<ComparedUnit> kUnits[] = {
    {ComparedUnit::sample, "sample"}, {ComparedUnit::run, "run"}, {ComparedUnit::pair, "pair"}};

/// Fills in the p-values: `above(bound)` is the one-sided p-value of "the logarithm of the ratio is at most `bound`",
/// `below(bound)` that of "it is at least `bound`".
template <class Above, class Below>
void judge(RatioTest& test, double margin, Above above, Below below) {
  const double bound = std::log1p(margin);
  test.p_changed = std::min(1.0, 2 * std::min(above(bound), below(-bound)));
  test.p_not_same = std::min(1.0, 2 * std::max(above(-bound), below(bound)));
}

/// Logarithms of samples in time order, and intervals of their median.
class LogMedian {
 public:
  explicit LogMedian(std::span<const double> seconds) : ordered_(seconds.begin(), seconds.end()) {
    for (double& x : ordered_) x = std::log(x);
    inflation_ = variance_inflation(ordered_);
    std::sort(ordered_.begin(), ordered_.end());
    median_ = quantile(ordered_, 0.5);
  }
  double median() const { return median_; }
  Interval at(double z) const { return median_interval_of_sorted(ordered_, inflation_, z); }
  /// That all samples lie on one side of the true median: no interval can be surer than that.
  double least_p() const { return std::exp2(-double(ordered_.size()) / inflation_); }

 private:
  std::vector<double> ordered_;
  double inflation_ = 1, median_ = 0;
};

/// The interval of the difference of two medians, `z` standard deviations wide.
Interval difference(const LogMedian& base, const LogMedian& next, double z) {
  const Interval b = base.at(z), n = next.at(z);
  const double d = next.median() - base.median();
  return {d - std::hypot(next.median() - n.low, b.high - base.median()),
          d + std::hypot(n.high - next.median(), base.median() - b.low)};
}

/// One-sided p-value: that of the widest interval for which `holds`; it narrows as z falls.
template <class Holds>
double p_of_widest(double least, Holds holds) {
  constexpr double kMostDeviations = 8;  // beyond it p is below 1e-15
  if (!holds(0.0)) return 1;
  double low = 0, high = kMostDeviations;
  if (holds(high)) low = high;
  constexpr int kHalvings = 40;  // to 1e-11 of a deviation
  for (int i = 0; i < kHalvings && low < high; ++i) {
    const double middle = (low + high) / 2;
    (holds(middle) ? low : high) = middle;
  }
  return std::max(least, normal_upper_tail(low));
}

std::vector<double> logarithms(std::span<const double> values) {
  std::vector<double> out(values.begin(), values.end());
  for (double& x : out) x = std::log(x);
  return out;
}

double mean(const std::vector<double>& x) { return std::accumulate(x.begin(), x.end(), 0.0) / double(x.size()); }

/// Of the mean: the unbiased variance over n.
double variance_of_mean(const std::vector<double>& x) {
  const double centre = mean(x), n = double(x.size());
  double sum = 0;
  for (const double value : x) sum += (value - centre) * (value - centre);
  return sum / (n - 1) / n;
}

RatioTest from_student(double d, double standard_error, double degrees, double margin) {
  const double half = student_quantile(0.025, degrees) * standard_error;
  RatioTest test{std::exp(d), {std::exp(d - half), std::exp(d + half)}, 1, 1};
  // Without any spread there is no t: a timer that always says the same.
  const auto above = [&](double bound) {
    if (!(standard_error > 0)) return d > bound ? 0.0 : 1.0;
    return student_upper_tail((d - bound) / standard_error, degrees);
  };
  const auto below = [&](double bound) {
    if (!(standard_error > 0)) return d < bound ? 0.0 : 1.0;
    return student_upper_tail((bound - d) / standard_error, degrees);
  };
  judge(test, margin, above, below);
  return test;
}

void expect(bool holds, const char* what) {
  if (!holds) throw std::logic_error(what);
}

}  // namespace

const char* name(ComparedUnit unit) { return find_name(kUnits, unit); }

RatioTest ratio_of_samples(std::span<const double> base, std::span<const double> next, double margin) {
  expect(!base.empty() && !next.empty(), "a ratio needs samples on both sides");
  const LogMedian b(base), n(next);
  const Interval interval = difference(b, n, 1.959963984540054);
  RatioTest test{std::exp(n.median() - b.median()), {std::exp(interval.low), std::exp(interval.high)}, 1, 1};
  const double least = b.least_p() + n.least_p();
  judge(
      test, margin,
      [&](double bound) { return p_of_widest(least, [&](double z) { return difference(b, n, z).low > bound; }); },
      [&](double bound) { return p_of_widest(least, [&](double z) { return difference(b, n, z).high < bound; }); });
  return test;
}

RatioTest ratio_of_runs(std::span<const double> base, std::span<const double> next, double margin) {
  expect(base.size() >= 2 && next.size() >= 2, "a spread of runs needs at least 2 a side");
  const auto b = logarithms(base), n = logarithms(next);
  const double vb = variance_of_mean(b), vn = variance_of_mean(n), sum = vb + vn;
  // Welch and Satterthwaite's degrees of freedom.
  const double degrees = sum > 0 ? sum * sum / (vb * vb / double(b.size() - 1) + vn * vn / double(n.size() - 1)) : 1.0;
  return from_student(mean(n) - mean(b), std::sqrt(sum), std::max(1.0, degrees), margin);
}

RatioTest ratio_of_pairs(std::span<const double> base, std::span<const double> next, double margin) {
  expect(base.size() == next.size() && base.size() >= 2, "a spread of pairs needs at least 2");
  std::vector<double> d = logarithms(next);
  const auto b = logarithms(base);
  for (std::size_t i = 0; i < d.size(); ++i) d[i] -= b[i];
  return from_student(mean(d), std::sqrt(variance_of_mean(d)), double(d.size() - 1), margin);
}

}  // namespace assay
