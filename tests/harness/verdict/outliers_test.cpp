#include "harness/verdict/outliers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace assay {
namespace {

TEST(OutliersTest, SpreadIgnoresTheOutliers) {
  const std::vector<double> values = {0.01, -0.01, 0.02, -0.02, 0, 0.5, 9};
  const Spread spread = robust_spread(values, 1e-3);
  EXPECT_EQ(spread.centre, 0.01);
  EXPECT_NEAR(spread.mad, 0.02, 1e-12);
  EXPECT_NEAR(spread.sigma, 1.4826 * 0.02 * 7 / 6.2, 1e-12);
  EXPECT_NEAR(flag_threshold(spread), 4 * 1.4826 * 0.02, 1e-12);
  EXPECT_EQ(flag_threshold({0, 1e-6, 1}), kLeastDeficit);
}

// Upper tails of Student's t from its tables: 0.025 at 2.228 (10 degrees of freedom), 0.0005 at 3.850 (20), 0.05 at
// 6.314 (1).
TEST(OutliersTest, TailIsStudents) {
  EXPECT_NEAR(upper_tail(2.228, 28), 0.025, 3e-4);  // 0.37 x 27 = 9.99
  EXPECT_NEAR(upper_tail(3.850, 100000), 0.0005, 2e-5);
  EXPECT_NEAR(upper_tail(6.314, 3), 0.05, 1e-2);  // coarsest there, and to the safe side
  EXPECT_EQ(upper_tail(10, 1), 1);
  EXPECT_EQ(upper_tail(std::nan(""), 50), 1);
}

TEST(OutliersTest, BenjaminiHochbergRejectsUpToTheLastBelowItsLine) {
  // Limits at q = 0.05 of five: 0.01 0.02 0.03 0.04 0.05.  The second is above its own, and a later one is below.
  const std::vector<double> p = {0.9, 0.001, 0.021, 0.029, 0.5};
  EXPECT_THAT(rejected(p, 0.05), testing::ElementsAre(false, true, true, true, false));
  EXPECT_THAT(rejected(std::vector<double>{0.2, 0.3}, 0.05), testing::ElementsAre(false, false));
}

TEST(OutliersTest, AreaCountsOnlyWhatIsSlower) {
  Quantiles fast{}, slow{};
  fast.fill(1);
  slow.fill(1.25f);
  EXPECT_DOUBLE_EQ(slower_area(slow, fast), 0.25);
  EXPECT_DOUBLE_EQ(slower_area(fast, slow), 0);
}

TEST(OutliersTest, CriterionIsNoOutlier) {
  std::vector<Quantiles> samples(9);
  for (std::size_t i = 0; i < samples.size(); ++i) samples[i].fill(i < 4 ? 1.5f : 1 + 0.001f * float(i));
  EXPECT_GE(criterion_of(samples, 0.95), 4u);
}

TEST(OutliersTest, WeightedMedianFollowsTheWeights) {
  EXPECT_EQ(weighted_median(std::vector<double>{1, 2, 3}, std::vector<double>{1, 1, 5}), 3);
  EXPECT_EQ(weighted_median(std::vector<double>{1, 2}, std::vector<double>{1, 1}), 1.5);
}

}  // namespace
}  // namespace assay
