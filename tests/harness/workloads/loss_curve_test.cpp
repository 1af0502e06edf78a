#include "harness/workloads/loss_curve.h"

#include <gtest/gtest.h>

#include <numeric>

namespace assay {
namespace {

std::vector<double> losses_of(std::size_t n) {
  std::vector<double> out(n);
  std::iota(out.begin(), out.end(), 0.5);  // of step s: s - 0.5
  return out;
}

TEST(LossCurve, HasEveryStepOfAFew) {
  for (const std::size_t n : {std::size_t(1), std::size_t(30), kMostLossPoints}) {
    const LossCurve curve = loss_curve(losses_of(n), {5.0});
    EXPECT_EQ(curve.losses, losses_of(n));
    EXPECT_EQ(curve.steps.front(), 1);
    EXPECT_EQ(curve.steps.back(), std::int64_t(n));
    EXPECT_EQ(curve.cpu_losses, std::vector<double>{5.0});
  }
}

TEST(LossCurve, OfManyHasTheFirstAndTheLastAndNoMoreThanItMay) {
  for (const std::size_t n : {kMostLossPoints + 1, std::size_t(1000), std::size_t(1234567)}) {
    const LossCurve curve = loss_curve(losses_of(n), losses_of(n));
    ASSERT_EQ(curve.steps.size(), kMostLossPoints);
    EXPECT_EQ(curve.cpu_losses.size(), kMostLossPoints);
    EXPECT_EQ(curve.steps[kMostLossPoints / 2 - 1], std::int64_t(kMostLossPoints / 2)) << "the first half: no gap";
    EXPECT_EQ(curve.steps.back(), std::int64_t(n));
    for (std::size_t i = 0; i < curve.steps.size(); ++i) {
      EXPECT_EQ(curve.losses[i], double(curve.steps[i]) - 0.5);
      EXPECT_TRUE(i == 0 || curve.steps[i] > curve.steps[i - 1]);
    }
  }
}

}  // namespace
}  // namespace assay
