#include "harness/measure/soak_series.h"

#include <gtest/gtest.h>

#include <functional>

namespace assay {
namespace {

/// `until` seconds of launches of `cost(start)` seconds, back to back.
SoakSeries series_of(double until, const std::function<double(double)>& cost) {
  SoakSeries out;
  for (double at = 0; at < until;) {
    const double seconds = cost(at);
    out.add({at, seconds, 1, seconds, Placement::none});
    at += seconds;
  }
  return out;
}

TEST(SoakSeries, FoldsADayIntoAFewThousandIntervalsAndLosesNothing) {
  SoakSeries series;
  constexpr int kRepetitions = 864000;
  for (int i = 0; i < kRepetitions; ++i)
    series.add({i * 0.1, 0.0625, 4, i == 500000 ? 9.0 : 0.015625, Placement::near});
  const auto& intervals = series.intervals();
  EXPECT_LE(intervals.size(), SoakSeries::kMostIntervals);
  EXPECT_GT(intervals.size(), SoakSeries::kMostIntervals / 2 - 1);
  std::int64_t launches = 0;
  double busy = 0, slowest = 0;
  for (std::size_t i = 0; i < intervals.size(); ++i) {
    launches += intervals[i].launches;
    busy += intervals[i].busy_seconds;
    slowest = std::max(slowest, intervals[i].slowest_seconds);
    if (i > 0) {
      EXPECT_GT(intervals[i].start_seconds, intervals[i - 1].start_seconds);
    }
    if (i + 1 < intervals.size()) {
      EXPECT_EQ(intervals[i].launches, intervals[0].launches) << "equal stretches";
    }
  }
  EXPECT_EQ(launches, 4 * kRepetitions);
  EXPECT_EQ(busy, 0.0625 * kRepetitions);
  EXPECT_EQ(slowest, 9.0);
}

TEST(SoakSeries, AnIntervalOfSeveralPlacementsMoved) {
  SoakSeries series;
  for (std::size_t i = 0; i < SoakSeries::kMostIntervals + 1; ++i)
    series.add({double(i), 1, 1, 1, i == 1 ? Placement::far : Placement::near});
  EXPECT_EQ(series.intervals()[0].placement, Placement::moved);
  EXPECT_EQ(series.intervals()[1].placement, Placement::near);
}

TEST(Throttle, IsFoundWhereThroughputFellAndStayedLow) {
  const auto series = series_of(900, [](double at) { return at < 400 || at > 520 ? 0.1 : 0.12; });
  const auto found = find_throttle(series.intervals(), {5, 10, 3}, 900);
  ASSERT_TRUE(found && found->at_seconds);
  EXPECT_NEAR(found->baseline_seconds, 0.1, 1e-9);
  EXPECT_NEAR(*found->at_seconds, 400, 5);
  EXPECT_NEAR(found->lasted_seconds, 120, 10);
}

TEST(Throttle, LastsUntilTheEndWhereItDoes) {
  const auto series = series_of(600, [](double at) { return at < 300 ? 0.1 : 0.2; });
  const auto found = find_throttle(series.intervals(), {5, 10, 3}, 600);
  ASSERT_TRUE(found && found->at_seconds);
  EXPECT_NEAR(*found->at_seconds + found->lasted_seconds, 600, 1e-9);
}

TEST(Throttle, IsNeitherAShortDipNorASmallOne) {
  for (const auto& cost : {std::function<double(double)>([](double at) { return at > 300 && at < 304 ? 0.3 : 0.1; }),
                           std::function<double(double)>([](double at) { return at > 300 ? 0.104 : 0.1; })}) {
    const auto series = series_of(600, cost);
    const auto found = find_throttle(series.intervals(), {5, 10, 3}, 600);
    ASSERT_TRUE(found);
    EXPECT_FALSE(found->at_seconds);
  }
}

TEST(Throttle, TheBaselineIsTheFirstSettledMinute) {
  // Faster while still cool, as every GPU is.
  const auto series = series_of(900, [](double at) { return at < 3 ? 0.05 : at < 200 ? 0.1 : 0.103; });
  const auto found = find_throttle(series.intervals(), {5, 10, 3}, 900);
  ASSERT_TRUE(found);
  EXPECT_NEAR(found->baseline_seconds, 0.1, 1e-9);
  EXPECT_FALSE(found->at_seconds);
}

TEST(Throttle, IsUnknownWithoutABaseline) {
  SoakSeries late;
  late.add({500, 1, 1, 1, Placement::none});
  EXPECT_FALSE(find_throttle(late.intervals(), {}, 600));
  EXPECT_FALSE(find_throttle({}, {}, 600));
}

}  // namespace
}  // namespace assay
