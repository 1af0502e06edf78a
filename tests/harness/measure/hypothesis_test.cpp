#include "harness/measure/hypothesis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace assay {
namespace {

TEST(NormalUpperTail, IsThatOfTables) {
  EXPECT_DOUBLE_EQ(normal_upper_tail(0), 0.5);
  EXPECT_NEAR(normal_upper_tail(1.959963984540054), 0.025, 1e-15);
  EXPECT_NEAR(normal_upper_tail(-1.6448536269514722), 0.95, 1e-15);
}

// With 1, 2 and 4 degrees of freedom the distribution has a closed form (Abramowitz and Stegun 26.7.3, 26.7.4).
TEST(StudentUpperTail, AgreesWithItsClosedForms) {
  for (const double t : {-7.0, -1.0, -0.1, 0.0, 0.3, 1.0, 2.5, 12.0, 300.0}) {
    EXPECT_NEAR(student_upper_tail(t, 1), 0.5 - std::atan(t) / M_PI, 1e-14) << t;
    EXPECT_NEAR(student_upper_tail(t, 2), 0.5 - t / (2 * std::sqrt(2 + t * t)), 1e-14) << t;
    const double sine = t / std::sqrt(4 + t * t);
    EXPECT_NEAR(student_upper_tail(t, 4), 0.5 - sine * (1 + (1 - sine * sine) / 2) / 2, 1e-14) << t;
  }
  EXPECT_NEAR(student_upper_tail(1.5, 1e7), normal_upper_tail(1.5), 1e-7) << "many degrees are a normal distribution";
  EXPECT_EQ(student_upper_tail(INFINITY, 3), 0);
}

// Any printed table of Student's t, to its last digit (Abramowitz and Stegun 26.10).
TEST(StudentQuantile, IsThatOfTables) {
  EXPECT_NEAR(student_quantile(0.025, 1), 12.706, 5e-4);
  EXPECT_NEAR(student_quantile(0.025, 5), 2.571, 5e-4);
  EXPECT_NEAR(student_quantile(0.05, 10), 1.812, 5e-4);
  EXPECT_NEAR(student_quantile(0.005, 30), 2.750, 5e-4);
}

// By hand: sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1 is 0.04, 0.06, 0.06, 0.04; none may be below the one before.
TEST(Holm, MultipliesByHowManyAreLeftAndNeverFalls) {
  EXPECT_THAT(holm(std::vector{0.04, 0.01, 0.03, 0.02}),
              testing::ElementsAre(testing::DoubleEq(0.06), testing::DoubleEq(0.04), testing::DoubleEq(0.06),
                                   testing::DoubleEq(0.06)));
  EXPECT_THAT(holm(std::vector{0.9, 0.8}), testing::ElementsAre(1.0, 1.0)) << "a probability";
  EXPECT_THAT(holm({}), testing::IsEmpty());
}

}  // namespace
}  // namespace assay
