// The bars that the projector has to meet on published runs, and that missing them would be seen.
#include "harness/project/validation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/project/projection_text.h"

namespace assay {
namespace {

const Validation& shipped() {
  static const Validation validation = validate_shipped();
  return validation;
}

const ValidatedGroup& group(const Validation& v, const std::string& name) {
  for (const auto& each : v.groups)
    if (each.name == name) return each;
  throw std::logic_error("no group " + name);
}

TEST(Validation, MeetsItsBars) {
  EXPECT_LE(group(shipped(), "MLPerf 405B").mean_absolute, 0.10);
  EXPECT_LE(group(shipped(), "Selene 2022").mean_absolute, 0.04);
  EXPECT_EQ(group(shipped(), "Selene 2022").rows, 8u);
  for (const auto& order : shipped().orders) EXPECT_TRUE(order.passed()) << order.pair.faster;
  EXPECT_EQ(shipped().orders.size(), 13u);
  for (const auto& flops : shipped().flops) EXPECT_TRUE(flops.passed()) << flops.what;
  EXPECT_TRUE(shipped().passed());
  EXPECT_THAT(validation_text(shipped()), testing::HasSubstr("Every bar is met."));
}

// What was never fitted is projected about as well as what was: the factors are no row's own.
TEST(Validation, HoldsOnRowsThatNoneFitted) {
  EXPECT_LE(group(shipped(), "Selene 2021").mean_absolute, 0.08);
  EXPECT_LE(group(shipped(), "Megatron Bridge").mean_absolute, 0.08);
  EXPECT_LE(group(shipped(), "Dense, Blackwell").mean_absolute, 0.10);
  EXPECT_LE(group(shipped(), "torchtitan, long").mean_absolute, 0.12);
}

// What recomputation, attention's kernels and their ramp explain.
TEST(Validation, ExplainsTorchtitanAndLongSequences) {
  EXPECT_LE(group(shipped(), "torchtitan").mean_absolute, 0.05);
  EXPECT_LE(group(shipped(), "torchtitan").worst, 0.10);
  EXPECT_LE(group(shipped(), "Llama 3").worst, 0.06);
}

// Experts, which nothing was fitted on: their layers of ten milliseconds and more.
TEST(Validation, ProjectsExperts) {
  double sum = 0;
  std::size_t rows = 0;
  for (const auto& each : shipped().runs) {
    if (each.run->setup.model.expert_layers() > 0) {
      EXPECT_FALSE(each.run->calibrates) << each.run->id;
    }
    if (each.kind == RunKind::experts) sum += std::abs(each.error()), ++rows;
  }
  EXPECT_GE(rows, 20u);
  EXPECT_LE(sum / double(rows), 0.15);
}

/// What routing without forced balance costs, at four lengths of sequences: one imbalance explains them all.
TEST(Validation, OneImbalanceExplainsRoutingWithoutForce) {
  int pairs = 0;
  for (const auto& order : shipped().orders)
    if (order.pair.slower.ends_with("-dropless")) {
      EXPECT_NEAR(order.projected / order.published, 1, 0.04) << order.pair.slower;
      ++pairs;
    }
  EXPECT_EQ(pairs, 4);
}

// Nominal: 90 %.  Each row's interval is of the other sets' errors alone.
TEST(Validation, IntervalsHoldAboutAsOftenAsTheySay) {
  std::size_t inside = 0;
  for (const auto& each : shipped().runs) inside += each.inside() ? 1 : 0;
  const double share = double(inside) / double(shipped().runs.size());
  EXPECT_GE(share, 0.82);
  EXPECT_LE(share, 0.97);
  std::size_t of_groups = 0;
  for (const auto& each : shipped().groups) of_groups += each.inside;
  EXPECT_EQ(of_groups, inside);
}

TEST(Validation, AGroupsOwnMissesDoNotWidenItsInterval) {
  auto runs = shipped().runs;
  const ErrorBand before = error_band(runs, RunKind::dense, "Llama 3"), all = error_band(runs, RunKind::dense);
  for (auto& each : runs)
    if (each.run->group == "Llama 3") each.projected_seconds /= 10;
  EXPECT_EQ(error_band(runs, RunKind::dense, "Llama 3").slower, before.slower);
  EXPECT_GT(error_band(runs, RunKind::dense).slower, all.slower);
}

TEST(Validation, LeavesTheRowOut) {
  const PublishedRuns& runs = published_runs();
  for (const auto& factor : Calibration::fit(runs, "selene-22b-full").factors())
    EXPECT_THAT(factor.fitted_on, testing::Not(testing::Contains("selene-22b-full"))) << factor.name;
  EXPECT_LT(calibration().factors().size() * 3, runs.runs.size());  // far fewer factors than rows
}

// A projector that forgot the backward pass, or a source that lied, would be seen.
TEST(Validation, SeesAMiss) {
  PublishedRuns wrong = published_runs();
  std::erase_if(wrong.runs, [](const PublishedRun& run) { return run.group != "MLPerf 405B"; });
  wrong.orders = {{"mlperf-405b-h100-8192", "mlperf-405b-h100-512"}};  // fewer tokens/s a GPU, not more
  for (auto& run : wrong.runs) run.step_seconds /= 3;
  const Validation seen = validate_runs(wrong, calibration());
  EXPECT_GT(group(seen, "MLPerf 405B").mean_absolute, 1.5);
  EXPECT_EQ(group(seen, "MLPerf 405B").inside, 0u);
  EXPECT_FALSE(seen.orders.front().passed());
  EXPECT_FALSE(seen.passed());
  EXPECT_THAT(validation_text(seen), testing::HasSubstr("A bar is missed."));
}

}  // namespace
}  // namespace assay
