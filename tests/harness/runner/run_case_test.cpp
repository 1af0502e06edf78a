#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>

#include "harness/runner/runner.h"
#include "tests/harness/runner/planted_catalog.h"
#include "tests/harness/runner/thread_ranks.h"

namespace assay {
namespace {

using testing::HasSubstr;

Suite suite_of(const std::vector<Case>& cases) {
  Suite suite;
  suite.name = "planted";
  suite.sampling = quick_rule();
  suite.cases = cases;
  return suite;
}

Record record_of(const Case& point, Communicator& communicator) {
  const Catalog catalog = {planted_kind({point.kernel})};
  Machine machine(1);
  const Suite suite = suite_of({point});
  const auto planned = plan(suite, catalog, machine, communicator);
  return run_case(planned.at(0), catalog, machine, communicator, suite.sampling, std::atomic<bool>{false});
}

Record record_of(const std::string& kernel) {
  const auto alone = make_single_communicator();
  return record_of(planted_case(kernel), *alone);
}

TEST(RunCase, KeepsSamplesCheckAndDescriptionOfARightKernel) {
  const Record record = record_of("right");
  EXPECT_EQ(record.outcome, (Outcome{OutcomeKind::ok, ""}));
  EXPECT_GE(record.measurement.seconds.size(), 3u);
  EXPECT_TRUE(record.check->ok());
  EXPECT_EQ(record.description, "planted right");
  EXPECT_EQ(record.work.flops, 64);
  EXPECT_TRUE(rates(record));
  EXPECT_EQ(inconsistency(record), "");
}

TEST(RunCase, KeepsTheFirstLaunchAndWhatTheKernelKnows) {
  const Record record = record_of("right");
  EXPECT_GT(record.measurement.first_seconds, 0);
  EXPECT_EQ(detail_word(record, "algorithm"), "planted right");
  const Record silent = record_of("details_throw");
  EXPECT_TRUE(silent.outcome.ok()) << "what was measured and checked stands";
  ASSERT_EQ(silent.details.size(), 1u);
  EXPECT_THAT(silent.details[0].why, HasSubstr("the planted details fail"));
}

TEST(RunCase, KeepsEveryRanksTimes) {
  as_ranks(3, [](Communicator& ranks) {
    const Record record = record_of(planted_case("right"), ranks);
    ASSERT_TRUE(record.outcome.ok()) << record.outcome.reason;
    ASSERT_EQ(record.measurement.rank_seconds.size(), 3u);
    for (const auto& rank : record.measurement.rank_seconds) EXPECT_EQ(rank.size(), record.measurement.seconds.size());
    ASSERT_TRUE(rates(record)->ranks);
    EXPECT_LE(rates(record)->ranks->mean_seconds, 1.0001 * rates(record)->seconds.maximum);
  });
}

TEST(RunCase, CallsAWrongResultWrongAndNamesTheElement) {
  const Record record = record_of("wrong");
  EXPECT_EQ(record.outcome.kind, OutcomeKind::wrong);
  EXPECT_THAT(record.outcome.reason, HasSubstr("out[32]"));
  EXPECT_FALSE(rates(record));
}

TEST(RunCase, CallsNaNAndAnOutputNeverWrittenWrong) {
  EXPECT_EQ(record_of("nan").outcome.kind, OutcomeKind::wrong);
  EXPECT_THAT(record_of("nan").outcome.reason, HasSubstr("out[63]"));
  EXPECT_EQ(record_of("never_writes").outcome.kind, OutcomeKind::wrong);
}

TEST(RunCase, CallsAnErrorFailedWithItsText) {
  EXPECT_EQ(record_of("throws").outcome, (Outcome{OutcomeKind::failed, "launching failed: the planted launch fails"}));
  EXPECT_EQ(record_of("no_memory").outcome,
            (Outcome{OutcomeKind::failed, "preparing failed: 64 GiB are needed, and 1 GiB is free"}));
  EXPECT_EQ(record_of("check_throws").outcome,
            (Outcome{OutcomeKind::failed, "checking failed: the planted check fails"}));
}

TEST(RunCase, SkipsWhatALibraryRefusesWhenAsked) {
  EXPECT_EQ(record_of("library_refuses").outcome, (Outcome{OutcomeKind::skipped, "the library has nothing for this"}));
}

TEST(RunCase, NeverPassesWhatWasNotCompared) {
  const Record record = record_of("checks_nothing");
  EXPECT_EQ(record.outcome.kind, OutcomeKind::failed);
  EXPECT_THAT(record.outcome.reason, HasSubstr("no element"));
  EXPECT_FALSE(rates(record));
}

TEST(RunCase, SkipsWithTheReasonWhatIsNotSupported) {
  EXPECT_EQ(record_of("unsupported").outcome, (Outcome{OutcomeKind::skipped, "needs a machine of the future"}));
}

TEST(RunCase, SkipsAGpuCaseWhereThereIsNoGpu) {
  if (probe_gpus().count > 0) GTEST_SKIP() << "there is a GPU";
  const Record record = record_of("on_gpu");
  EXPECT_EQ(record.outcome.kind, OutcomeKind::skipped);
  EXPECT_THAT(record.outcome.reason, HasSubstr("no GPU"));
}

TEST(RunCase, SkipsWhatDoesNotFitWithTheSizes) {
  const auto alone = make_single_communicator();
  const Record record = record_of(planted_case("right", std::int64_t(1) << 45), *alone);
  EXPECT_EQ(record.outcome.kind, OutcomeKind::skipped);
  EXPECT_THAT(record.outcome.reason, testing::ContainsRegex("[0-9] [KMGTP]?iB"));
}

TEST(RunCase, TimesOut) {
  const Catalog catalog = {planted_kind({"slow"})};
  const auto alone = make_single_communicator();
  Machine machine(1);
  SamplingRule rule = quick_rule();
  rule.timeout_seconds = 1e-4;
  const auto planned = plan(suite_of({planted_case("slow")}), catalog, machine, *alone);
  const Record record = run_case(planned.at(0), catalog, machine, *alone, rule, std::atomic<bool>{false});
  EXPECT_EQ(record.outcome.kind, OutcomeKind::timed_out);
  EXPECT_THAT(record.outcome.reason, HasSubstr("0.0001 s"));
  EXPECT_FALSE(rates(record));
}

TEST(RunCase, IsWrongOnAllRanksWhereOneIsWrongAndNamesIt) {
  std::mutex mutex;
  std::vector<Record> records;
  as_ranks(2, [&](Communicator& communicator) {
    Record record = record_of(planted_case("wrong_on_rank_1"), communicator);
    const std::lock_guard lock(mutex);
    records.push_back(std::move(record));
  });
  ASSERT_EQ(records.size(), 2u);
  for (const auto& record : records) {
    EXPECT_EQ(record.outcome.kind, OutcomeKind::wrong);
    EXPECT_THAT(record.outcome.reason, HasSubstr("rank 1: out[32]"));
    EXPECT_EQ(record.check->elements, 128);
    EXPECT_EQ(record.check->wrong, 1);
  }
}

TEST(RunCase, FailsOnAllRanksWhereOneFails) {
  Catalog catalog = {planted_kind({"right"})};
  const auto make = catalog[0].make;
  catalog[0].make = [make](const Case& point, WorkloadContext& context) {
    if (context.communicator.rank() == 1) throw std::runtime_error("no room on this rank");
    return make(point, context);
  };
  std::mutex mutex;
  std::vector<Outcome> outcomes;
  as_ranks(2, [&](Communicator& communicator) {
    Machine machine(1);
    const auto planned = plan(suite_of({planted_case("right")}), catalog, machine, communicator);
    const Record record =
        run_case(planned.at(0), catalog, machine, communicator, quick_rule(), std::atomic<bool>{false});
    const std::lock_guard lock(mutex);
    outcomes.push_back(record.outcome);
  });
  const Outcome expected{OutcomeKind::failed, "preparing failed: rank 1: no room on this rank"};
  EXPECT_THAT(outcomes, testing::ElementsAre(expected, expected));
}

TEST(Plan, SkipsOnAllRanksWhatOneCannotDo) {
  Catalog catalog = {planted_kind({"right"})};
  catalog[0].supports = [](const Case&, const Target&, const Communicator& communicator) {
    return communicator.rank() == 1 ? Support::no("too small a rank") : Support::yes();
  };
  std::mutex mutex;
  std::vector<std::string> reasons;
  as_ranks(2, [&](Communicator& communicator) {
    Machine machine(1);
    const auto planned = plan(suite_of({planted_case("right")}), catalog, machine, communicator);
    const std::lock_guard lock(mutex);
    reasons.push_back(planned.at(0).support.reason);
  });
  EXPECT_THAT(reasons, testing::ElementsAre("rank 1: too small a rank", "rank 1: too small a rank"));
}

TEST(Plan, KnowsWorkAndVendor) {
  const Catalog catalog = {planted_kind({"right", "lib_right"})};
  const auto alone = make_single_communicator();
  Machine machine(1);
  const auto planned =
      plan(suite_of({planted_case("right", 10), planted_case("lib_right", 20)}), catalog, machine, *alone);
  EXPECT_EQ(planned[0].work.flops, 10);
  EXPECT_FALSE(planned[0].vendor);
  EXPECT_TRUE(planned[1].vendor);
}

}  // namespace
}  // namespace assay
