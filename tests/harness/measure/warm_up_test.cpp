#include "harness/measure/warm_up.h"

#include <gtest/gtest.h>

#include "tests/harness/measure/streams.h"

namespace assay {
namespace {

/// Elapsed seconds when the launch counts as steady; time moves on by `step` a measurement.
template <class Seconds>
double steady_after(Mode mode, double step, Seconds&& seconds, const SamplingRule& rule = {}) {
  SteadyState steady(mode, rule);
  double elapsed = 0;
  while (!steady.reached()) {
    elapsed += step;
    steady.add(elapsed, seconds(elapsed));
  }
  return elapsed;
}

TEST(SteadyState, BurstTakesItsLeastTime) {
  EXPECT_NEAR(steady_after(Mode::burst, 0.01, [](double) { return 0.01; }), 0.2, 0.011);
}

TEST(SteadyState, BurstWaitsUntilLaunchesAgree) {
  // Page faults and caches: 50 % slower for the first 0.6 s.
  EXPECT_NEAR(steady_after(Mode::burst, 0.02, [](double t) { return t < 0.6 ? 0.01 * (1.5 - t / 2) : 0.01; }), 0.7,
              0.1);
}

TEST(SteadyState, BurstGivesUpAfterAQuarterOfTheBudget) {
  EXPECT_NEAR(steady_after(Mode::burst, 0.1, [](double t) { return 1 + t; }), 2.5, 0.11);
}

TEST(SteadyState, BurstIsNotHeldUpByNoise) {
  Noise noise(6);
  EXPECT_LT(steady_after(Mode::burst, 0.005, [&](double) { return 1 + 0.03 * noise.normal(); }), 0.5);
}

TEST(SteadyState, OneLongLaunchMayHaveToDo) {
  EXPECT_NEAR(steady_after(Mode::burst, 5, [](double) { return 5.0; }), 5, 1e-9);
}

TEST(SteadyState, SustainedTakesItsLeastTimeThoughSettled) {
  Noise noise(1);
  EXPECT_NEAR(steady_after(Mode::sustained, 0.01, [&](double) { return 0.01 * (1 + 0.001 * noise.normal()); }), 3,
              0.15);
}

TEST(SteadyState, SustainedWaitsForTheClockToSettle) {
  SamplingRule rule;
  rule.wall_seconds = 60;
  // The clock falls until 6 s: launches get 2 % slower every second.
  const double after = steady_after(
      Mode::sustained, 0.01, [](double t) { return 0.01 * (1 + 0.02 * std::min(t, 6.0)); }, rule);
  EXPECT_GT(after, 6.5);
  EXPECT_LT(after, 7.2);
}

TEST(SteadyState, SustainedIsNotHeldUpByNoise) {
  Noise noise(2);
  const double after = steady_after(Mode::sustained, 0.05, [&](double) { return 1 + 0.05 * noise.normal(); });
  EXPECT_LT(after, 4.0) << "the slope of noise is no slope";
}

TEST(SteadyState, SustainedGivesUpAfterHalfOfTheBudget) {
  EXPECT_NEAR(steady_after(Mode::sustained, 0.01, [](double t) { return 1 + 0.1 * t; }), 5, 0.02);
}

}  // namespace
}  // namespace assay
