// A case against itself: what the figures say, and what a run of it leaves.
#include "harness/runner/selftest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "harness/core/error.h"
#include "harness/runner/progress.h"
#include "tests/harness/runner/planted_catalog.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

TEST(SelftestFigures, CountMarginsThatWereCrossedEitherWay) {
  // Differences of 0, 1.5, -3 and 6 %.
  const Selftest test{{1, 1.015, 1, 1.06}, {1, 1, 1.03, 1}, 0, 0};
  EXPECT_DOUBLE_EQ(false_alarms_in_turns(test, 1), 0.75);
  EXPECT_DOUBLE_EQ(false_alarms_in_turns(test, 2), 0.5);
  EXPECT_DOUBLE_EQ(false_alarms_in_turns(test, 5), 0.25);
  EXPECT_DOUBLE_EQ(false_alarms_in_turns(test, 10), 0);
  // 1, 1.015, 1, 1.06 in pairs: 1.5, 0, 6, 1.5, 4.4 and 6 %.
  EXPECT_DOUBLE_EQ(false_alarms_apart(test, 1), 5 / 6.0);
  EXPECT_DOUBLE_EQ(false_alarms_apart(test, 2), 3 / 6.0);
  EXPECT_NEAR(spread(test), 0.06, 1e-12);
}

TEST(SelftestFigures, ResolveTheSmallestMarginThatOneInTwentyCrosses) {
  Selftest test{std::vector<double>(20, 1.0), std::vector<double>(20, 1.0), 0, 0};
  EXPECT_EQ(resolved_percent(test, false_alarms_in_turns), 0.5);
  test.b_seconds[3] = 1.5;
  EXPECT_EQ(resolved_percent(test, false_alarms_in_turns), 0.5) << "one in twenty";
  test.b_seconds[4] = 1.03;
  EXPECT_EQ(resolved_percent(test, false_alarms_in_turns), 5);
  test.b_seconds[4] = 1.5;
  EXPECT_FALSE(resolved_percent(test, false_alarms_in_turns));
}

class SelftestRuns : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("selftest_test_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
    suite_.name = "selftest";
    suite_.sampling = quick_rule();
    suite_.selftest = SelftestRule{4};
  }
  void TearDown() override { fs::remove_all(folder_); }
  Result go() {
    Machine machine(1);
    const auto communicator = make_single_communicator();
    Progress progress(stderr, true);
    options_.out = folder_ / "r.json";
    return selftest(suite_, catalog_, plan(suite_, catalog_, machine, *communicator), machine, *communicator, options_,
                    progress, interrupted_);
  }
  fs::path folder_;
  RunOptions options_;
  Suite suite_;
  Catalog catalog_ = {planted_kind({"right", "wrong"})};
  std::atomic<bool> interrupted_{false};
};

TEST_F(SelftestRuns, MeasuresPairsInTurnsAndKeepsThem) {
  suite_.cases = {planted_case("right", 4096)};
  const Result result = go();
  EXPECT_TRUE(result.complete);
  const Record& record = result.records.at(0);
  ASSERT_TRUE(record.outcome.ok()) << record.outcome.reason;
  EXPECT_EQ(record.measurement.in_turns, 2);
  ASSERT_TRUE(record.selftest);
  EXPECT_EQ(record.selftest->a_seconds.size(), 4u);
  EXPECT_EQ(record.selftest->b_seconds.size(), 4u);
  EXPECT_GT(record.selftest->timer_seconds, 0);
  EXPECT_EQ(to_text(load_result(options_.out)), to_text(result));
}

TEST_F(SelftestRuns, AWrongCaseHasNoFigures) {
  suite_.cases = {planted_case("wrong")};
  const Record record = go().records.at(0);
  EXPECT_EQ(record.outcome.kind, OutcomeKind::wrong);
  EXPECT_FALSE(record.selftest);
}

TEST_F(SelftestRuns, EndsEarlyWhenAsked) {
  suite_.cases = {planted_case("right", 8), planted_case("right", 9)};
  interrupted_ = true;
  const Result result = go();
  EXPECT_FALSE(result.complete);
  EXPECT_TRUE(result.records.empty());
}

}  // namespace
}  // namespace assay
