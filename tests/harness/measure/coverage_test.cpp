// The promise of the 95 % interval, tested as it is used: samples arrive one by one, the sampler's own stopping rule
// decides when there are enough, and the interval of what was taken must contain the true median in at least 93 % of
// runs.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "harness/measure/statistics.h"
#include "harness/measure/stopping_rule.h"
#include "tests/harness/measure/streams.h"

namespace assay {
namespace {

constexpr int kRuns = 600;  // standard error of a coverage of 0.95: 0.009

/// Makes one run's source of samples.
using Stream = std::function<std::function<double()>(std::uint64_t seed)>;
/// The true median, of a run that took n samples.
using Truth = std::function<double(std::size_t n)>;

struct Coverage {
  double share = 0;
  std::size_t median_samples = 0;
  double stopped_by_interval = 0;
};

/// `scale` seconds a launch: 1e-4 is a short launch (100 samples at least), 1e-2 a long one (30).
Coverage coverage(const Stream& stream, const Truth& truth, double scale) {
  int covered = 0, by_interval = 0;
  std::vector<std::size_t> counts;
  for (std::uint64_t seed = 1; seed <= kRuns; ++seed) {
    const auto next = stream(seed);
    StoppingRule rule{SamplingRule{}};
    std::vector<double> samples;
    while (!rule.done()) {
      samples.push_back(scale * next());
      rule.add(samples.back(), Placement::none, 0);
    }
    by_interval += rule.reason() == StopReason::interval;
    const Interval interval = median_interval(samples);
    const double median = scale * truth(samples.size());
    covered += interval.low <= median && median <= interval.high;
    counts.push_back(samples.size());
  }
  std::nth_element(counts.begin(), counts.begin() + kRuns / 2, counts.end());
  return {double(covered) / kRuns, counts[kRuns / 2], double(by_interval) / kRuns};
}

void expect_covered(const char* what, const Stream& stream, const Truth& truth) {
  for (const double scale : {1e-4, 1e-2}) {
    const Coverage got = coverage(stream, truth, scale);
    std::printf("%-28s launch %5.0e s: coverage %.3f, %4zu samples, %3.0f %% stopped by the interval\n", what, scale,
                got.share, got.median_samples, 100 * got.stopped_by_interval);
    EXPECT_GE(got.share, 0.93) << what << " at " << scale << " s";
  }
}

const Truth kOne = [](std::size_t) { return 1.0; };

TEST(Coverage, IndependentNormal) {
  expect_covered(
      "normal, 2 %",
      [](std::uint64_t seed) { return [noise = Noise(seed)]() mutable { return 1 + 0.02 * noise.normal(); }; }, kOne);
}

TEST(Coverage, IndependentLogNormal) {
  expect_covered(
      "log-normal, 5 %",
      [](std::uint64_t seed) { return [noise = Noise(seed)]() mutable { return std::exp(0.05 * noise.normal()); }; },
      kOne);
}

Stream autoregressive(double rho, double deviation) {
  return [=](std::uint64_t seed) {
    return [=, process = Autoregressive(rho, seed)]() mutable { return 1 + deviation * process.next(); };
  };
}

TEST(Coverage, Autocorrelated) {
  expect_covered("AR(1) rho 0.5, 2 %", autoregressive(0.5, 0.02), kOne);
  expect_covered("AR(1) rho 0.8, 2 %", autoregressive(0.8, 0.02), kOne);
  expect_covered("AR(1) rho 0.8, 0.5 %", autoregressive(0.8, 0.005), kOne);
}

double normal_below(double z) { return 0.5 * std::erfc(-z / std::sqrt(2.0)); }

/// The median of a mixture of normals at 1 and `second`, both of `deviation`, `weight` of it at 1.
double mixture_median(double weight, double second, double deviation) {
  double low = 0.5, high = 2;
  for (int i = 0; i < 100; ++i) {
    const double x = (low + high) / 2;
    const double below =
        weight * normal_below((x - 1) / deviation) + (1 - weight) * normal_below((x - second) / deviation);
    (below < 0.5 ? low : high) = x;
  }
  return low;
}

TEST(Coverage, Bimodal) {
  const double median = mixture_median(0.7, 1.1, 0.01);
  expect_covered(
      "bimodal 70/30",
      [](std::uint64_t seed) {
        return [noise = Noise(seed)]() mutable { return (noise.uniform() < 0.7 ? 1 : 1.1) + 0.01 * noise.normal(); };
      },
      [=](std::size_t) { return median; });
}

// A throttle after 40 samples.  There is no one true time: what the samples have is the median of the mixture of both
// levels in the proportion in which they were taken, and the interval has to hold that.
TEST(Coverage, StepChange) {
  static constexpr std::size_t kStep = 40;
  expect_covered(
      "step of 5 % at sample 40",
      [](std::uint64_t seed) {
        return [noise = Noise(seed), i = std::size_t(0)]() mutable {
          return (i++ < kStep ? 1 : 1.05) + 0.01 * noise.normal();
        };
      },
      [](std::size_t n) { return mixture_median(double(std::min(n, kStep)) / double(n), 1.05, 0.01); });
}

}  // namespace
}  // namespace assay
