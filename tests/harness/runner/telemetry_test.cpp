// Telemetry in the records of a run, and a machine that is unfit for one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "harness/record/provenance.h"
#include "harness/runner/resume.h"
#include "harness/runner/runner.h"
#include "tests/harness/backends/fake_nvml.h"
#include "tests/harness/runner/planted_catalog.h"

namespace assay {
namespace {

using testing::AllOf;
using testing::HasSubstr;
namespace fs = std::filesystem;

TEST(RunTelemetry, IsInTheRecordOfEveryCaseThatWasSampled) {
  Catalog catalog = {planted_kind({"right", "slow", "unsupported"})};
  Suite suite;
  suite.name = "planted";
  suite.sampling = quick_rule();
  suite.cases = {planted_case("right"), planted_case("slow"), planted_case("unsupported")};
  Machine machine(1);
  const auto alone = make_single_communicator();
  const auto planned = plan(suite, catalog, machine, *alone);
  std::vector<const PlannedCase*> all;
  for (const auto& one : planned) all.push_back(&one);
  const auto records = run_cases(all, catalog, machine, *alone, suite.sampling, std::atomic<bool>{false});
  ASSERT_EQ(records.size(), 3u);
  ASSERT_EQ(records[0].telemetry.size(), 1u);
  const Telemetry& t = records[0].telemetry[0];
  EXPECT_EQ(t.device, records[0].point.device_name());
  EXPECT_GE(t.readings.size(), 2u);
  EXPECT_GE(t.window_seconds, records[0].measurement.wall_seconds);
  // The two took turns: one window.
  ASSERT_EQ(records[1].telemetry.size(), 1u);
  EXPECT_EQ(records[1].telemetry[0].window_seconds, t.window_seconds);
  EXPECT_TRUE(records[2].telemetry.empty());
}

class UnfitNode : public testing::Test {
 protected:
  void SetUp() override {
    if (probe_gpus().count > 0) GTEST_SKIP() << "this machine has GPUs of its own";
    folder_ = fs::temp_directory_path() / ("telemetry_test_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
    options_.out = folder_ / "r.json";
  }
  void TearDown() override { fs::remove_all(folder_); }

  /// The beginning of a run of one case: its provenance and journal, and nothing measured yet.
  Result begin(Device device) {
    Suite suite;
    suite.name = "planted";
    suite.sampling = quick_rule();
    PlannedCase planned;
    planned.point = planted_case("right");
    planned.point.device = device;
    Machine machine(1);
    return begin_or_resume(suite, {planned}, options_, machine, *make_single_communicator()).result;
  }

  const FakeNvml fake_{"gpus 1\nat 0 s: gpu0.remap_pending=1\n"};
  fs::path folder_;
  RunOptions options_;
};

TEST_F(UnfitNode, IsNotMeasured) {
  try {
    begin(Device::gpu);
    FAIL() << "was measured";
  } catch (const MeasureError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("GPU 0 has faulty memory rows"), HasSubstr("--anyway")));
  }
  EXPECT_TRUE(fs::is_empty(folder_));  // no journal either
}

TEST_F(UnfitNode, IsMeasuredAnywayAndTheResultSaysSo) {
  options_.anyway = true;
  EXPECT_EQ(begin(Device::gpu).provenance["anyway"], true);
}

TEST_F(UnfitNode, MeasuresItsCpuAllTheSame) {
  const Result result = begin(Device::cpu);
  EXPECT_FALSE(result.provenance.contains("anyway"));
  EXPECT_NE(unfit_for(result.provenance["findings"], "gpu"), "");
}

}  // namespace
}  // namespace assay
