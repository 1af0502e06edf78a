#include "harness/verdict/ratio_test.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "harness/core/names.h"
#include "harness/measure/hypothesis.h"
#include "harness/verify/normal_quantile.h"

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

/// Deviates of one level: of the counts within a run, which are normal, and of Student's t between runs.
struct Deviates {
  double z = 0, t = 0;
};

constexpr double kLeastTail = 1e-15;  // no p-value is told apart below it

/// Both deviates as one of them rises; runs that do not differ have no t, and then z itself does.
Deviates deviates(const RunScatter& scatter, double rising) {
  if (!(scatter.deviation > 0)) return {rising, 0};
  const double tail = std::max(kLeastTail, student_upper_tail(rising, scatter.degrees));
  return {tail < 0.5 ? -normal_quantile(tail) : 0.0, rising};
}

double tail_of(const RunScatter& scatter, double rising) {
  return scatter.deviation > 0 ? student_upper_tail(rising, scatter.degrees) : normal_upper_tail(rising);
}

double deviate_with_tail(const RunScatter& scatter, double tail) {
  return scatter.deviation > 0 ? student_quantile(tail, scatter.degrees) : -normal_quantile(tail);
}

/// The interval of the difference of two medians, as wide as the deviates say.
Interval difference(const LogMedian& base, const LogMedian& next, const RunScatter& scatter, Deviates wide) {
  const Interval b = base.at(wide.z), n = next.at(wide.z);
  const double d = next.median() - base.median(), runs = wide.t * std::sqrt(2.0) * scatter.deviation;
  return {d - std::hypot(next.median() - n.low, b.high - base.median(), runs),
          d + std::hypot(n.high - next.median(), base.median() - b.low, runs)};
}

/// One-sided p-value: that of the widest interval for which `holds`; it narrows as its deviate falls.
template <class Holds>
double p_of_widest(const RunScatter& scatter, double least, Holds holds) {
  constexpr double kNothing = 1e-3;   // a deviate whose tail is 1/2 for all that it matters
  double low = kNothing, high = 1e8;  // beyond it even two degrees leave less than kLeastTail
  if (!holds(low)) return holds(0.0) ? 0.5 : 1;
  constexpr int kHalvings = 40;  // of the logarithm: to 1e-11 of the deviate
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = std::sqrt(low * high);
    (holds(middle) ? low : high) = middle;
  }
  return std::max({least, kLeastTail, tail_of(scatter, low)});
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

RatioTest ratio_of_samples(std::span<const double> base, std::span<const double> next, const RunScatter& scatter,
                           double margin) {
  expect(!base.empty() && !next.empty(), "a ratio needs samples on both sides");
  const LogMedian b(base), n(next);
  const auto interval = [&](double rising) { return difference(b, n, scatter, deviates(scatter, rising)); };
  const Interval wide = interval(deviate_with_tail(scatter, 0.025));
  RatioTest test{std::exp(n.median() - b.median()), {std::exp(wide.low), std::exp(wide.high)}, 1, 1};
  const double least = b.least_p() + n.least_p();
  const auto p = [&](auto holds) { return p_of_widest(scatter, least, holds); };
  judge(
      test, margin, [&](double bound) { return p([&](double rising) { return interval(rising).low > bound; }); },
      [&](double bound) { return p([&](double rising) { return interval(rising).high < bound; }); });
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
