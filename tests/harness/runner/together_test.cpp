// Cores alone and all at once.
#include "harness/runner/together.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <set>

#include "harness/backends/cores.h"
#include "harness/core/error.h"
#include "harness/runner/progress.h"
#include "harness/workloads/rotated_buffer.h"
#include "tests/harness/runner/planted_catalog.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

/// Counts how many are launched at the same time, and where.
class Watched final : public Workload {
 public:
  struct Seen {
    std::atomic<int> running{0}, most{0};
  };
  Watched(std::unique_ptr<Workload> inner, Seen& seen) : inner_(std::move(inner)), seen_(seen) {}
  Work work() const override { return inner_->work(); }
  int sets() const override { return 1; }
  Check check(const std::vector<std::int64_t>& launches) override { return inner_->check(launches); }
  void launch(int set) override {
    const int now = ++seen_.running;
    int most = seen_.most;
    while (now > most && !seen_.most.compare_exchange_weak(most, now)) {
    }
    ::usleep(500);    // long enough that another is met even on one core
    --seen_.running;  // before what may throw
    inner_->launch(set);
  }

 private:
  std::unique_ptr<Workload> inner_;
  Seen& seen_;
};

/// Its launch writes one byte of each of 64 sets.  Once it was checked a launch takes so long that not every set has
/// its turn again.
class SlowsDown final : public Workload {
 public:
  explicit SlowsDown(Backend& backend) : written_(backend, 1, kSets) { written_.fill(0xff); }
  Work work() const override { return PlantedWorkload::work_of(64); }
  int sets() const override { return kSets; }
  void launch(int set) override {
    if (checked_) ::usleep(20000);
    *static_cast<std::uint8_t*>(written_.data(set)) = 1;
  }
  Check check(const std::vector<std::int64_t>& launches) override {
    Check check;
    for (int set = 0; set < kSets; ++set) {
      if (launches.at(std::size_t(set)) == 0) continue;
      check.compare(*static_cast<const std::uint8_t*>(written_.data(set)), 1, 0, [&] { return std::to_string(set); });
    }
    checked_ = true;
    return check;
  }
  std::vector<OutputTensor> outputs() const override { return {{"written", &written_, 1, {}}}; }

 private:
  static constexpr int kSets = 64;
  RotatedBuffer written_;
  bool checked_ = false;
};

class TogetherTest : public testing::Test {
 protected:
  void SetUp() override {
    if (process_cores().size() < 2) GTEST_SKIP() << "one core has nobody to be together with";
    folder_ = fs::temp_directory_path() / ("together_test_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
    suite_.name = "together";
    suite_.sampling = quick_rule();
    suite_.together = true;
    const auto make = catalog_[0].make;
    catalog_[0].make = [this, make](const Case& point, WorkloadContext& context) -> std::unique_ptr<Workload> {
      return std::make_unique<Watched>(make(point, context), seen_);
    };
  }
  void TearDown() override { fs::remove_all(folder_); }
  Result go() {
    Machine machine(threads_);
    const auto communicator = make_single_communicator();
    Progress progress(stderr, true);
    options_.out = folder_ / "r.json";
    return together(suite_, catalog_, plan(suite_, catalog_, machine, *communicator), machine, *communicator, options_,
                    progress, interrupted_);
  }
  int threads_ = 2;
  fs::path folder_;
  RunOptions options_;
  Suite suite_;
  Catalog catalog_ = {planted_kind({"right", "wrong", "throws", "unsupported"})};
  Watched::Seen seen_;
  std::atomic<bool> interrupted_{false};
};

TEST_F(TogetherTest, MeasuresEachCoreAloneAndThenAllAtOnce) {
  suite_.cases = {planted_case("right")};
  const Result result = go();
  EXPECT_TRUE(result.complete);
  std::set<std::string> ids;
  for (const auto& record : result.records) {
    EXPECT_TRUE(record.outcome.ok()) << record.outcome.reason;
    ids.insert(record.point.id());
  }
  EXPECT_EQ(ids, (std::set<std::string>{"planted/right/core0/f32/n=64/hot/burst/normal/seed=1",
                                        "planted/right/core1/f32/n=64/hot/burst/normal/seed=1",
                                        "planted/right/core0/f32/n=64/hot/burst/normal/seed=1/together=2",
                                        "planted/right/core1/f32/n=64/hot/burst/normal/seed=1/together=2"}));
  EXPECT_EQ(seen_.most, 2);
  EXPECT_EQ(to_text(load_result(options_.out)), to_text(result));
}

TEST_F(TogetherTest, EveryRecordHasTheTelemetryOfItsOwnDevice) {
  suite_.cases = {planted_case("right")};
  const Result result = go();
  ASSERT_EQ(result.records.size(), 4u);
  std::set<double> windows;
  for (const auto& record : result.records) {
    ASSERT_EQ(record.telemetry.size(), 1u) << record.point.id();
    const Telemetry& seen = record.telemetry[0];
    EXPECT_EQ(seen.device, record.point.device_name());
    EXPECT_GE(seen.readings.size(), 2u);
    EXPECT_GE(seen.window_seconds, record.measurement.wall_seconds);
    windows.insert(seen.window_seconds);
  }
  EXPECT_EQ(windows.size(), 4u);  // two alone; two at once, each from a source of its own
  EXPECT_EQ(to_text(load_result(options_.out)), to_text(result));
}

TEST_F(TogetherTest, TelemetryThatIsOffIsAbsentAndTheResultSaysSo) {
  suite_.cases = {planted_case("right"), planted_case("unsupported")};
  suite_.sampling.telemetry_seconds = 0;
  const Result result = go();
  ASSERT_EQ(result.records.size(), 6u);
  for (const auto& record : result.records) EXPECT_TRUE(record.telemetry.empty());
  EXPECT_EQ(load_result(options_.out).sampling.telemetry_seconds, 0);
}

TEST_F(TogetherTest, AloneIsAlone) {
  suite_.cases = {planted_case("throws")};  // fails alone, so that nothing is measured together
  const Result result = go();
  EXPECT_EQ(seen_.most, 1);
  EXPECT_EQ(result.records.size(), 2u);
  for (const auto& record : result.records) {
    EXPECT_EQ(record.outcome.kind, OutcomeKind::failed);
    EXPECT_THAT(record.outcome.reason, HasSubstr("the planted launch fails"));
  }
}

TEST_F(TogetherTest, AWrongKernelIsWrongBothWays) {
  suite_.cases = {planted_case("wrong")};
  for (const auto& record : go().records) EXPECT_EQ(record.outcome.kind, OutcomeKind::wrong);
}

TEST_F(TogetherTest, ASetThatIsNotLaunchedAgainIsNotAskedFor) {
  suite_.cases = {planted_case("right")};
  catalog_[0].make = [](const Case&, WorkloadContext& context) { return std::make_unique<SlowsDown>(context.backend); };
  const Result result = go();
  ASSERT_EQ(result.records.size(), 4u);
  for (const auto& record : result.records) {
    ASSERT_TRUE(record.outcome.ok()) << record.point.id() << ": " << record.outcome.reason;
    if (record.point.together == 1) continue;
    EXPECT_LT(record.check->elements, result.records[0].check->elements) << "as many sets had their turn";
  }
}

TEST_F(TogetherTest, OneDeviceByItselfIsCheckedToo) {
  threads_ = 1;
  suite_.cases = {planted_case("right"), planted_case("wrong")};
  const Result result = go();
  ASSERT_EQ(result.records.size(), 2u);
  EXPECT_TRUE(result.records[0].outcome.ok() && result.records[0].check);
  EXPECT_EQ(result.records[1].outcome.kind, OutcomeKind::wrong);
}

TEST_F(TogetherTest, WhatCannotRunIsSkippedOnEveryDevice) {
  suite_.cases = {planted_case("unsupported")};
  const Result result = go();
  EXPECT_EQ(result.records.size(), 2u);
  for (const auto& record : result.records) EXPECT_EQ(record.outcome.kind, OutcomeKind::skipped);
}

}  // namespace
}  // namespace assay
