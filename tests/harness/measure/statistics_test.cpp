#include "harness/measure/statistics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

namespace assay {
namespace {

using testing::ElementsAre;

const std::vector<double> kTwelve = {3.1, 2.9, 3.0, 3.3, 2.8, 3.2, 3.05, 2.95, 3.15, 3.4, 2.85, 3.25};
const std::vector<double> kWave = {1,   2,   2.5, 2.2, 1.9, 1.1, 0.7, 0.2, 0.5, 1.2,
                                   1.8, 2.6, 2.4, 1.4, 0.9, 0.4, 0.1, 0.6, 1.3, 2.1};

std::vector<double> one_to(int n) {
  std::vector<double> out(static_cast<std::size_t>(n));
  std::iota(out.begin(), out.end(), 1.0);
  return out;
}

TEST(Quantile, InterpolatesAsNumpy) {
  const auto x = one_to(5);
  EXPECT_DOUBLE_EQ(quantile(x, 0), 1);
  EXPECT_DOUBLE_EQ(quantile(x, 0.5), 3);
  EXPECT_DOUBLE_EQ(quantile(x, 0.1), 1.4);
  EXPECT_DOUBLE_EQ(quantile(x, 1), 5);
  EXPECT_DOUBLE_EQ(quantile(one_to(1), 0.3), 1);
  EXPECT_TRUE(std::isnan(quantile({}, 0.5)));
}

TEST(Autocorrelation, KnownAnswers) {
  EXPECT_NEAR(lag1_autocorrelation(kTwelve), -0.5196790389098085, 1e-13);  // numpy
  EXPECT_EQ(lag1_autocorrelation(std::vector<double>{1, 2}), 0);
  EXPECT_EQ(lag1_autocorrelation(std::vector<double>(50, 0.1)), 0);
  EXPECT_NEAR(lag1_autocorrelation(std::vector<double>{1, -1, 1, -1, 1, -1}), -5.0 / 6, 1e-15);
}

TEST(VarianceInflation, KnownAnswers) {
  // Computed by an independent script (numpy): the indicators' sum and the lag-1 estimate, of which the larger counts.
  EXPECT_NEAR(variance_inflation(kWave), 10.874656404617927, 1e-9);
  const std::vector<double> outlier = {1,    1.1,  1.05, 1.02, 5,    1.01, 1.03, 1.2, 1.15, 1.18,
                                       1.21, 1.22, 1.19, 1.16, 0.98, 0.97, 0.99, 1,   0.96, 0.95};
  EXPECT_NEAR(variance_inflation(outlier), 2.6, 1e-12) << "one outlier hides lag 1, not the order of the rest";
  EXPECT_EQ(variance_inflation(kTwelve), 1) << "negative autocorrelation narrows nothing";
  EXPECT_EQ(variance_inflation(std::vector<double>(100, 2.0)), 1);
  EXPECT_EQ(variance_inflation(std::vector<double>{1, 2}), 1);
}

TEST(MedianInterval, RanksOfIndependentSamples) {
  // Le Boudec's ranks; exact binomial coverage (scipy) 0.9936, 0.9672, 0.9648, 0.9538.
  struct Row {
    int n;
    double low, high;
  };
  for (const Row& row : {Row{12, 2, 11}, Row{50, 18, 33}, Row{100, 40, 61}, Row{1000, 469, 532}}) {
    const Interval interval = median_interval(one_to(row.n), 1);
    EXPECT_EQ(interval.low, row.low) << row.n;
    EXPECT_EQ(interval.high, row.high) << row.n;
  }
}

TEST(MedianInterval, WidensWithTheRootOfTheInflation) {
  const Interval interval = median_interval(one_to(100), 4);  // 1.96 sqrt(400) / 2 = 19.6 ranks either side
  EXPECT_EQ(interval.low, 30);
  EXPECT_EQ(interval.high, 71);
}

TEST(MedianInterval, WholeRangeWhereSamplesAreTooFew) {
  for (const int n : {1, 2, 5, 6}) {
    EXPECT_EQ(median_interval(one_to(n)).low, 1) << n;
    EXPECT_EQ(median_interval(one_to(n)).high, n) << n;
  }
  const Interval trend = median_interval(one_to(100));
  EXPECT_EQ(trend.low, 1) << "a trend has next to no independent samples";
  EXPECT_EQ(trend.high, 100);
  EXPECT_EQ(median_interval(std::vector<double>{}).high, 0);
}

TEST(Summary, KnownAnswers) {
  const Summary s = summarise(std::span<const double>(kTwelve));
  EXPECT_EQ(s.n, 12u);
  EXPECT_EQ(s.n_total, 12u);
  EXPECT_DOUBLE_EQ(s.median, 3.075);
  EXPECT_NEAR(s.p5, 2.8275, 1e-12);
  EXPECT_NEAR(s.p95, 3.345, 1e-12);
  EXPECT_NEAR(s.mean, 3.079166666666666, 1e-14);
  EXPECT_EQ(s.minimum, 2.8);
  EXPECT_EQ(s.maximum, 3.4);
  EXPECT_EQ(s.median_95.low, 2.85);
  EXPECT_EQ(s.median_95.high, 3.3);
  EXPECT_EQ(s.n_effective, 12);
  EXPECT_NEAR(s.drift, 3.2 / 3.05 - 1, 1e-12);  // medians of the last and the first four
}

TEST(Summary, OfNothing) {
  EXPECT_EQ(summarise(std::span<const double>{}).n, 0u);
  EXPECT_EQ(summarise(Measurement{}).n, 0u);
}

TEST(Placement, TheMostFrequentClassAndMovedLast) {
  using enum Placement;
  EXPECT_EQ(dominant_placement({}), none);
  EXPECT_EQ(dominant_placement(std::vector{near, far, far}), far);
  EXPECT_EQ(dominant_placement(std::vector{near, moved, moved, moved}), near);
  EXPECT_EQ(dominant_placement(std::vector{moved, moved}), moved);
  EXPECT_EQ(dominant_placement(std::vector{far, near}), near) << "a tie has one answer";
}

TEST(Placement, ClassesAreNeverMixed) {
  Measurement m;
  for (int i = 0; i < 30; ++i) {
    const bool far = i % 3 == 0;
    m.seconds.push_back(far ? 5.0 : 1.0);
    m.placement.push_back(far ? Placement::far : Placement::near);
  }
  const Summary s = summarise(m);
  EXPECT_EQ(s.n, 20u);
  EXPECT_EQ(s.n_total, 30u);
  EXPECT_EQ(s.placement, Placement::near);
  EXPECT_EQ(s.maximum, 1.0);
  EXPECT_THAT(samples_in(m, Placement::far), ElementsAre(5, 5, 5, 5, 5, 5, 5, 5, 5, 5));
}

TEST(Names, RoundTrip) {
  for (int i = 0; i < 5; ++i) {
    StopReason reason;
    ASSERT_TRUE(parse(name(StopReason(i)), reason));
    EXPECT_EQ(reason, StopReason(i));
  }
  for (int i = 0; i < 4; ++i) {
    Placement placement;
    ASSERT_TRUE(parse(name(Placement(i)), placement));
    EXPECT_EQ(placement, Placement(i));
  }
  StopReason reason;
  Placement placement;
  EXPECT_FALSE(parse("Interval", reason));
  EXPECT_FALSE(parse("", placement));
}

}  // namespace
}  // namespace assay
