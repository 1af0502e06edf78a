#include "harness/verify/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "harness/verify/digest.h"

namespace assay {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

Check compared(double got, double expected, double allowed) {
  Check check;
  check.compare(got, expected, allowed, [] { return std::string("d[0]"); });
  return check;
}

TEST(Check, NothingComparedIsNotRight) {
  EXPECT_FALSE(Check{}.ok());
  EXPECT_EQ(Check{}.describe(), "no element was checked");
}

TEST(Check, WithinAndBeyondTheAllowedError) {
  EXPECT_TRUE(compared(1.5, 1.0, 0.5).ok());
  EXPECT_DOUBLE_EQ(compared(1.5, 1.0, 0.5).error_over_allowed, 1.0);
  EXPECT_FALSE(compared(1.75, 1.0, 0.5).ok());
  EXPECT_DOUBLE_EQ(compared(1.75, 1.0, 0.5).error_over_allowed, 1.5);
}

TEST(Check, ZeroAllowedMeansEqual) {
  EXPECT_TRUE(compared(2, 2, 0).ok());
  EXPECT_TRUE(compared(-0.0, 0.0, 0).ok());
  EXPECT_FALSE(compared(std::nextafter(2, 3), 2, 0).ok());
  EXPECT_EQ(compared(std::nextafter(2, 3), 2, 0).error_over_allowed, kInfinity);
}

TEST(Check, NaNAnywhereIsWrong) {
  EXPECT_FALSE(compared(kNaN, 1, 1).ok());
  EXPECT_FALSE(compared(1, kNaN, 1).ok());
  EXPECT_FALSE(compared(kNaN, kNaN, 1).ok());
  EXPECT_FALSE(compared(1, 1, kNaN).ok());
  EXPECT_EQ(compared(kNaN, 1, 1).error_over_allowed, kInfinity);
}

TEST(Check, Infinities) {
  EXPECT_TRUE(compared(-kInfinity, -kInfinity, 0).ok());
  EXPECT_FALSE(compared(kInfinity, -kInfinity, 1).ok());
  EXPECT_FALSE(compared(kInfinity, 1, 1).ok());
  EXPECT_FALSE(compared(1, kInfinity, 1).ok());
  EXPECT_FALSE(compared(5, 1, kInfinity).ok()) << "an allowance that allows everything checks nothing";
  EXPECT_FALSE(compared(1, 1, -1).ok());
}

TEST(Check, KeepsTheFirstOfTheWorstElements) {
  Check check;
  int named = 0;
  const auto add = [&](double got, const char* where) {
    check.compare(got, 1, 0.5, [&] { return ++named, std::string(where); });
  };
  add(1.0, "a");
  add(1.1, "b");
  add(3.0, "c");
  add(3.0, "d");
  add(2.0, "e");
  add(1.0, "f");
  EXPECT_EQ(check.where, "c");
  EXPECT_EQ(check.got, 3.0);
  EXPECT_EQ(check.elements, 6);
  EXPECT_EQ(check.wrong, 3);
  EXPECT_EQ(named, 3) << "names are built for a new worst element alone";
  EXPECT_EQ(check.describe(), "c is 3, expected 1 +- 0.5 (error 4 x allowed); 3 of 6 checked elements are wrong");
}

TEST(Check, DescribesNaNAndPasses) {
  EXPECT_EQ(compared(kNaN, 2, 0.5).describe(),
            "d[0] is nan, expected 2 +- 0.5 (never right); 1 of 1 checked elements is wrong");
  EXPECT_EQ(compared(2.25, 2, 0.5).describe(),
            "1 elements checked; worst: d[0] is 2.25, expected 2 +- 0.5 (error 0.5 x allowed)");
}

TEST(Digest, PublishedVectors) {  // FNV reference test vectors
  Digest digest;
  EXPECT_EQ(digest.text(), "cbf29ce484222325");
  digest.add("a", 1);
  EXPECT_EQ(digest.text(), "af63dc4c8601ec8c");
  Digest whole, parts;
  whole.add("foobar", 6);
  parts.add("foo", 3);
  parts.add("bar", 3);
  EXPECT_EQ(whole.text(), "85944171f73967e8");
  EXPECT_EQ(parts.value(), whole.value());
}

}  // namespace
}  // namespace assay
