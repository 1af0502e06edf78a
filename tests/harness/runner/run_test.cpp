#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "harness/record/journal.h"
#include "harness/runner/progress.h"
#include "harness/runner/runner.h"
#include "tests/harness/runner/planted_catalog.h"
#include "tests/harness/runner/thread_ranks.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
namespace fs = std::filesystem;

class RunTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("run_test_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
    options_.out = folder_ / "r.json";
    suite_.name = "planted";
    suite_.sampling = quick_rule();
    suite_.cases = {planted_case("right"), planted_case("unsupported"), planted_case("wrong"),
                    planted_case("lib_right")};
  }
  void TearDown() override { fs::remove_all(folder_); }

  Result go(Communicator& communicator) {
    Machine machine(1);
    Progress progress(stderr, true);
    const auto planned = plan(suite_, catalog_, machine, communicator);
    return run(suite_, catalog_, planned, machine, communicator, options_, progress, interrupted_);
  }
  Result go() { return go(*make_single_communicator()); }
  std::string refusal() {
    try {
      go();
    } catch (const InputError& error) {
      return error.what();
    }
    return "accepted";
  }
  static std::vector<OutcomeKind> kinds(const Result& result) {
    std::vector<OutcomeKind> out;
    for (const auto& record : result.records) out.push_back(record.outcome.kind);
    return out;
  }
  /// A case whose preparation asks for the end of the run, as a signal during it would.
  void interrupt_during(const std::string& kernel) {
    const auto make = catalog_[0].make;
    catalog_[0].make = [this, make, kernel](const Case& point, WorkloadContext& context) {
      if (point.kernel == kernel) interrupted_ = true;
      return make(point, context);
    };
  }

  fs::path folder_;
  RunOptions options_;
  Suite suite_;
  Catalog catalog_ = {planted_kind({"right", "unsupported", "wrong", "lib_right", "throws"})};
  std::atomic<bool> interrupted_{false};
};

TEST_F(RunTest, RecordsEveryCaseInOrderAndSavesTheResult) {
  const Result result = go();
  EXPECT_TRUE(result.complete);
  EXPECT_THAT(kinds(result), ElementsAre(OutcomeKind::ok, OutcomeKind::skipped, OutcomeKind::wrong, OutcomeKind::ok));
  EXPECT_TRUE(result.records[3].vendor);
  EXPECT_EQ(to_text(load_result(options_.out)), to_text(result));
  EXPECT_FALSE(fs::exists(journal_path(options_.out)));
  EXPECT_EQ(result.provenance["run"]["threads"], 1);
}

TEST_F(RunTest, PrintsNothingOfGoogleBenchmarkAndIgnoresItsVariables) {
  ::setenv("BENCHMARK_LIST_TESTS", "true", 1);
  ::setenv("BENCHMARK_REPETITIONS", "3", 1);
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const Result result = go();
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(result.records.size(), 4u);
  ::unsetenv("BENCHMARK_LIST_TESTS");
  ::unsetenv("BENCHMARK_REPETITIONS");
}

TEST_F(RunTest, NeverOverwrites) {
  go();
  const std::string before = to_text(load_result(options_.out));
  EXPECT_THAT(refusal(), HasSubstr("--resume"));
  EXPECT_EQ(to_text(load_result(options_.out)), before);
}

TEST_F(RunTest, ResumingAFinishedRunMeasuresNothing) {
  const Result first = go();
  options_.resume = true;
  catalog_[0].make = [](const Case&, WorkloadContext&) -> std::unique_ptr<Workload> {
    ADD_FAILURE() << "measured again";
    throw std::logic_error("measured again");
  };
  EXPECT_EQ(to_text(go()), to_text(first));
}

TEST_F(RunTest, EndsAfterThePointASignalCameInAndResumes) {
  interrupt_during("right");
  const Result first = go();
  EXPECT_FALSE(first.complete);
  EXPECT_THAT(kinds(first), ElementsAre(OutcomeKind::ok, OutcomeKind::wrong, OutcomeKind::ok)) << "kernels of a point";
  EXPECT_EQ(to_text(load_result(options_.out)), to_text(first));
  EXPECT_TRUE(fs::exists(journal_path(options_.out)));

  interrupted_ = false;
  options_.resume = true;
  const Result second = go();
  EXPECT_TRUE(second.complete);
  ASSERT_EQ(second.records.size(), 4u);
  EXPECT_EQ(to_json(second.records[0]), to_json(first.records[0]));
  EXPECT_EQ(to_json(second.records[2]), to_json(first.records[1]));
  EXPECT_EQ(second.records[1].outcome.kind, OutcomeKind::skipped);
  EXPECT_EQ(second.records[1].interrupted_attempts, 0);
  EXPECT_FALSE(fs::exists(journal_path(options_.out)));
}

TEST_F(RunTest, KernelsOfAPointTakeTurns) {
  suite_.cases = {planted_case("right", 8), planted_case("right", 9), planted_case("lib_right", 8),
                  planted_case("throws", 8)};
  const Result result = go();
  EXPECT_THAT(kinds(result), ElementsAre(OutcomeKind::ok, OutcomeKind::ok, OutcomeKind::ok, OutcomeKind::failed));
  EXPECT_EQ(result.records[0].measurement.in_turns, 3);
  EXPECT_EQ(result.records[1].measurement.in_turns, 1);
  EXPECT_EQ(result.records[2].measurement.in_turns, 3);
}

TEST_F(RunTest, ResumesOnlyTheSameRun) {
  interrupt_during("right");
  go();
  interrupted_ = false;
  EXPECT_THAT(refusal(), HasSubstr("is there already"));
  options_.resume = true;

  const Suite same = suite_;
  suite_.cases.push_back(planted_case("throws"));
  EXPECT_THAT(refusal(), HasSubstr("this run has the case " + planted_case("throws").id()));
  suite_ = same;
  suite_.cases.pop_back();
  EXPECT_THAT(refusal(), HasSubstr("it has the case " + planted_case("lib_right").id()));
  suite_ = same;
  std::swap(suite_.cases[0], suite_.cases[2]);
  EXPECT_THAT(refusal(), HasSubstr("another order"));
  suite_ = same;
  suite_.name = "other";
  EXPECT_THAT(refusal(), HasSubstr("its suite is planted, and this run's is other"));
  suite_ = same;
  suite_.sampling.max_samples = 9;
  EXPECT_THAT(refusal(), HasSubstr("sampling rule"));
}

TEST_F(RunTest, RefusesAJournalItWasNotAskedToResume) {
  interrupt_during("right");
  go();
  fs::remove(options_.out);
  EXPECT_THAT(refusal(), HasSubstr("--resume"));
}

TEST_F(RunTest, AnErrorOfTheRunItselfEndsIt) {
  options_.out = folder_ / "no such folder" / "r.json";
  EXPECT_THROW(go(), InputError);
}

TEST_F(RunTest, OnlyRankZeroWritesAndEveryRankRunsTheSame) {
  // Google Benchmark keeps one registry a process, so ranks that are threads take turns in it: here the second rank
  // only follows the decisions, and refuses what rank 0 refuses.
  go();
  std::mutex mutex;
  std::vector<std::string> errors;
  as_ranks(2, [&](Communicator& communicator) {
    try {
      go(communicator);
    } catch (const InputError& error) {
      const std::lock_guard lock(mutex);
      errors.push_back(error.what());
    }
  });
  ASSERT_EQ(errors.size(), 2u);
  EXPECT_EQ(errors[0], errors[1]);
}

TEST(Progress, PrintsLinesWhereThereIsNoTerminal) {
  std::FILE* file = std::tmpfile();
  Progress progress(file, false);
  progress.start(2, 10);
  progress.begin("gemm/a");
  Record record;
  record.point = planted_case("right");
  record.outcome = {OutcomeKind::ok, ""};
  progress.finish(record);
  progress.finish(record);
  progress.done();
  std::rewind(file);
  char text[1000] = "";
  const std::size_t read = std::fread(text, 1, sizeof text - 1, file);
  std::fclose(file);
  EXPECT_EQ(std::string(text, read), "[0/2] about 20 s left  gemm/a\n[2/2] took 0 s  " + record.point.id() + ": ok\n");
}

TEST(Progress, IsSilentWhenAsked) {
  std::FILE* file = std::tmpfile();
  Progress progress(file, true);
  progress.start(1, 10);
  progress.begin("gemm/a");
  progress.done();
  EXPECT_EQ(std::ftell(file), 0);
  std::fclose(file);
}

}  // namespace
}  // namespace assay
