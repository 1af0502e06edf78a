#include "harness/measure/stopping_rule.h"

#include <gtest/gtest.h>

#include "tests/harness/measure/streams.h"

namespace assay {
namespace {

/// Samples taken until the rule is done, and why.
struct Stopped {
  int samples = 0;
  StopReason reason = StopReason::interrupted;
};

template <class Next>
Stopped stop(const SamplingRule& sampling, Next&& next, double seconds_per_sample = 0) {
  StoppingRule rule(sampling);
  Stopped out;
  while (!rule.done()) {
    ++out.samples;
    rule.add(next(), Placement::none, out.samples * seconds_per_sample);
  }
  out.reason = rule.reason();
  return out;
}

TEST(StoppingRule, EqualSamplesNeedTheLeastNumber) {
  const Stopped slow = stop({}, [] { return 0.01; });
  EXPECT_EQ(slow.samples, 30);
  EXPECT_EQ(slow.reason, StopReason::interval);
  EXPECT_EQ(stop({}, [] { return 1e-5; }).samples, 100) << "short launches need more";
  SamplingRule few;
  few.min_samples = 5;
  EXPECT_EQ(stop(few, [] { return 0.01; }).samples, 5);
  few.max_samples = 20;
  const Stopped capped = stop(few, [] { return 1e-5; });
  EXPECT_EQ(capped.samples, 20);
  EXPECT_EQ(capped.reason, StopReason::interval);
}

TEST(StoppingRule, NoiseNeedsMoreAndALooserTargetFewer) {
  Noise noise(3);
  const auto next = [&] { return 1 + 0.02 * noise.normal(); };
  const Stopped tight = stop({}, next);
  EXPECT_EQ(tight.reason, StopReason::interval);
  EXPECT_GT(tight.samples, 60);
  SamplingRule loose;
  loose.relative_half_width = 0.05;
  EXPECT_EQ(stop(loose, next).samples, 30);
}

TEST(StoppingRule, MaximumAndWallBudget) {
  Noise noise(4);
  const auto wild = [&] { return std::exp(noise.normal()); };
  SamplingRule rule;
  rule.max_samples = 50;
  EXPECT_EQ(stop(rule, wild).samples, 50);
  EXPECT_EQ(stop(rule, wild).reason, StopReason::max_samples);
  rule.max_samples = 2000;
  rule.wall_seconds = 10;
  const Stopped slow = stop(rule, wild, 3.0);
  EXPECT_EQ(slow.samples, 4);
  EXPECT_EQ(slow.reason, StopReason::wall_budget);
}

TEST(StoppingRule, AutocorrelationIsNotMistakenForPrecision) {
  // So narrow that 30 independent samples would do: a slow wander needs at least 30 effective ones.
  Autoregressive process(0.95, 5);
  const Stopped got = stop({}, [&] { return 1 + 0.003 * process.next(); });
  EXPECT_EQ(got.reason, StopReason::interval);
  EXPECT_GT(got.samples, 150);
}

TEST(StoppingRule, OneClassMustBeEnoughByItself) {
  StoppingRule rule{SamplingRule{}};
  int samples = 0;
  for (; !rule.done(); ++samples) {
    const bool near = samples % 2 == 0;
    rule.add(near ? 1.0 : 3.0, near ? Placement::near : Placement::far, 0);
  }
  EXPECT_EQ(samples, 60);
  EXPECT_EQ(rule.reason(), StopReason::interval);
}

TEST(StoppingRule, KeepsItsFirstReason) {
  StoppingRule rule{SamplingRule{}};
  for (int i = 0; i < 30; ++i) rule.add(1.0, Placement::none, 0);
  ASSERT_TRUE(rule.done());
  rule.add(99.0, Placement::none, 1e9);
  EXPECT_EQ(rule.reason(), StopReason::interval);
}

}  // namespace
}  // namespace assay
