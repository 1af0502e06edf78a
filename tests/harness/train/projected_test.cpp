// When a step ends whose sums over ranks run beside it, by hand.
#include "harness/train/projected.h"

#include <gtest/gtest.h>

#include <cmath>

namespace assay {
namespace {

ProjectedLaunch in_turn(double seconds) { return {seconds}; }
ProjectedLaunch beside(double seconds, double lost) { return {seconds, ProjectedLaunch::Way::beside, lost}; }
ProjectedLaunch waits(double seconds = 0) { return {seconds, ProjectedLaunch::Way::waits, 0}; }

TEST(ProjectedStep, LaunchesInTurnAddUp) {
  EXPECT_EQ(projected_seconds({}), 0);
  EXPECT_EQ(projected_seconds({in_turn(2), in_turn(3), waits(1), in_turn(4)}), 10);
}

/// Another engine's transfer: only what outlasts backward is seen.
TEST(ProjectedStep, WhatTakesNothingIsHiddenAsFarAsItHasCompany) {
  EXPECT_EQ(projected_seconds({in_turn(2), beside(3, 0), in_turn(5), waits(), in_turn(1)}), 8);
  EXPECT_EQ(projected_seconds({in_turn(2), beside(3, 0), in_turn(1), waits(), in_turn(1)}), 6);
  EXPECT_EQ(projected_seconds({beside(3, 0), in_turn(1), beside(3, 0), in_turn(1), waits()}), 6) << "one by one";
  EXPECT_EQ(projected_seconds({in_turn(4), beside(3, 0), waits()}), 7) << "the last bucket has nothing beside it";
}

/// Two threads take turns on one core: whatever the order, all of it adds up.
TEST(ProjectedStep, OneCoreHidesNothing) {
  EXPECT_EQ(projected_seconds({in_turn(2), beside(3, 3), in_turn(5), waits(), in_turn(1)}), 11);
  EXPECT_EQ(projected_seconds({in_turn(2), beside(3, 3), in_turn(1), waits(), in_turn(1)}), 7);
  EXPECT_EQ(projected_seconds({beside(3, 3), in_turn(1), beside(2, 2), in_turn(1), waits()}), 7);
}

/// All of it beside costs what was measured that it costs, more than alone or less; part of it beside, that part.
TEST(ProjectedStep, WhatItCostsIsWhatItWasMeasuredToCost) {
  EXPECT_DOUBLE_EQ(projected_seconds({beside(2, 0.5), in_turn(8), waits()}), 8.5);
  EXPECT_DOUBLE_EQ(projected_seconds({beside(2, 5), in_turn(8), waits()}), 13);
  EXPECT_DOUBLE_EQ(projected_seconds({beside(2, 0.5), in_turn(1), waits()}), 1.25 + 1);
  EXPECT_DOUBLE_EQ(projected_seconds({beside(2, -0.5), in_turn(8), waits()}), 8) << "nothing is gained by company";
}

/// A shorter step would be the answer of a comparison that is blind to it.
TEST(ProjectedStep, ATimeThatIsNoNumberMakesNoStep) {
  EXPECT_TRUE(std::isnan(projected_seconds({in_turn(1), in_turn(NAN)})));
  EXPECT_TRUE(std::isnan(projected_seconds({beside(NAN, 1), in_turn(1), waits()})));
  EXPECT_TRUE(std::isnan(projected_seconds({beside(NAN, 1), waits()})));
  EXPECT_TRUE(std::isnan(projected_seconds({beside(2, NAN), in_turn(1), waits()})));
}

}  // namespace
}  // namespace assay
