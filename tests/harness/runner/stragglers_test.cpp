// The search's measuring, with ranks that are threads: what they exchange and when, not how fast this machine is.
#include "harness/runner/stragglers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.h"
#include "harness/measure/sampler.h"
#include "harness/runner/link_times.h"
#include "harness/runner/straggler_pass.h"
#include "tests/harness/runner/planted_catalog.h"
#include "tests/harness/runner/thread_ranks.h"

namespace assay {
namespace {

using ::testing::HasSubstr;

/// Ranks whose messages to one rank take longer, or arrive spoilt.
class Connected final : public Communicator {
 public:
  Connected(Communicator& inner, RankPair slow, double seconds, bool spoils = false)
      : inner_(inner), slow_(slow), seconds_(seconds), spoils_(spoils) {}
  int rank() const override { return inner_.rank(); }
  int size() const override { return inner_.size(); }
  void barrier() override { inner_.barrier(); }
  double maximum(double value) override { return inner_.maximum(value); }
  double broadcast(double value) override { return inner_.broadcast(value); }
  std::string broadcast(const std::string& text) override { return inner_.broadcast(text); }
  std::vector<std::string> gather(const std::string& text) override { return inner_.gather(text); }
  std::string group_name() const override { return inner_.group_name(); }
  void exchange(const void* out, int to, void* in, int from, std::size_t bytes) override {
    inner_.exchange(out, to, in, from, bytes);
    if (from < 0 || RankPair(std::min(from, rank()), std::max(from, rank())) != slow_) return;
    ::usleep(useconds_t(seconds_ * 1e6));
    if (spoils_) static_cast<unsigned char*>(in)[bytes / 2] ^= 1;
  }

 private:
  Communicator& inner_;
  RankPair slow_;
  double seconds_;
  bool spoils_;
};

TEST(PairTimes, EveryPairIsTimedByItsSmallerRank) {
  const auto rounds = round_robin({0, 1, 2, 3, 4});
  as_ranks(5, [&](Communicator& plain) {
    Connected ranks(plain, {1, 3}, 0.02);
    RankPass mine;
    mine.host = "node" + std::to_string(ranks.rank());
    mine.pairs = time_pairs(ranks, rounds, 1000, steady_seconds);
    for (const auto& pair : mine.pairs) EXPECT_EQ(pair.ranks.first, ranks.rank());
    const StragglerPass pass = merge(exchange_passes(ranks, mine));
    ASSERT_EQ(pass.pairs.size(), 10u);
    EXPECT_EQ(pass.members[4].host, "node4");
    // Of the others only that they were timed: this machine may have other things to do.
    for (const auto& pair : pass.pairs) {
      EXPECT_EQ(pair.seconds.size(), 12u);
      if (pair.ranks == RankPair(1, 3)) {
        EXPECT_GE(*std::min_element(pair.seconds.begin(), pair.seconds.end()), 0.02);
      }
    }
  });
}

TEST(PairTimes, AMessageThatComesSpoiltIsAnError) {
  as_ranks(2, [&](Communicator& plain) {
    Connected ranks(plain, {0, 1}, 0, true);
    try {
      time_pairs(ranks, round_robin({0, 1}), 1000, steady_seconds);
      ADD_FAILURE() << "not noticed";
    } catch (const Error& error) {
      EXPECT_EQ(error.code, ExitCode::wrong_numbers);
      EXPECT_THAT(error.what(), HasSubstr("came otherwise than it was sent"));
    }
  });
}

TEST(Merge, TimesAreByRankZerosClock) {
  std::vector<RankPass> passes(2);
  for (auto& pass : passes) pass.clocks = {{0, 0}, {50, 1e-5}};
  passes[0].operations = {{1, 3, false}, {5, 6, false}};
  passes[1].operations = {{52, 53, true}};
  passes[1].series = {{"gpu0", true, {{1.0}}}, {"gpu1", true, {{2.0}}}, {"gpu0", false, {{3.0}}}};
  const StragglerPass pass = merge(passes);
  ASSERT_EQ(pass.operations.size(), 1u);
  EXPECT_EQ(pass.operations[0].arrived, (std::vector<double>{1, 2}));
  EXPECT_EQ(pass.operations[0].left, (std::vector<double>{3, 3}));
  EXPECT_EQ(pass.operations[0].disturbed, (std::vector<bool>{false, true}));
  EXPECT_EQ(pass.clock_uncertainty, (std::vector<double>{0, 1e-5}));
  ASSERT_EQ(pass.members.size(), 3u);
  EXPECT_EQ(pass.members[2].device, "gpu1");
  EXPECT_EQ(pass.memory[1], (ProbeBlocks{{3.0}}));
  EXPECT_TRUE(pass.memory[2].empty());
  EXPECT_THAT(pass.notes.at(0), HasSubstr("the core of rank 1"));
}

Suite planted_suite(const std::string& kernel) {
  Suite suite;
  suite.name = "planted";
  suite.stragglers.emplace();
  suite.stragglers->probe_samples = 10;
  suite.cases = {planted_case(kernel)};
  return suite;
}

TEST(Search, EveryRanksProbesAreThereAndTheSameReportIsOnAll) {
  std::vector<std::string> reports(3);
  as_ranks(3, [&](Communicator& ranks) {
    Machine machine(1);
    const auto report = search_stragglers(planted_suite("slow"), {planted_kind({"slow"})}, machine, ranks);
    EXPECT_EQ(report.members.size(), 3u);
    EXPECT_EQ(report.pairs.size(), 3u);
    EXPECT_EQ(report.operations, 0);  // there is no collective in it
    for (const auto& one : report.members) EXPECT_GE(one.compute_seconds.value_or(1), 2e-3);  // it sleeps for that
    reports[std::size_t(ranks.rank())] = to_json(report).dump();
  });
  EXPECT_EQ(reports[1], reports[0]);
  EXPECT_EQ(reports[2], reports[0]);
}

TEST(Search, AWrongNumberOnOneRankEndsItOnAll) {
  as_ranks(2, [&](Communicator& ranks) {
    Machine machine(1);
    Catalog workloads = {planted_kind({"good", "wrong"})};
    try {
      search_stragglers(planted_suite(ranks.rank() == 1 ? "wrong" : "good"), workloads, machine, ranks);
      ADD_FAILURE() << "not noticed";
    } catch (const Error& error) {
      EXPECT_EQ(error.code, ExitCode::wrong_numbers);
      EXPECT_THAT(error.what(), HasSubstr("rank 1: planted/wrong"));
    }
  });
}

TEST(Search, AProbeThatOneRankCannotPrepareEndsItOnAll) {
  as_ranks(2, [&](Communicator& ranks) {
    Machine machine(1);
    const char* kernel = ranks.rank() == 1 ? "no_memory" : "good";
    EXPECT_THROW(search_stragglers(planted_suite(kernel), {planted_kind({"good", "no_memory"})}, machine, ranks),
                 Error);
  });
}

TEST(Search, ProbesAreNotMeasuredAgain) {
  Suite suite = planted_suite("good");
  Case collective = planted_case("good", 65);
  collective.axes.push_back({"ranks", std::int64_t(2)});
  suite.cases.push_back(collective);
  ASSERT_EQ(without_probes(suite).cases.size(), 1u);
  EXPECT_EQ(without_probes(suite).cases[0].id(), collective.id());
}

TEST(Report, IsTheSameAfterReadingIt) {
  StragglerReport report;
  report.operations = 97;
  report.passes = 3;
  report.members = {{0, "node0", "cpu", 1e-3, {}, 2e-5, -1e-4, 3}, {1, "node1", "gpu3", {}, 2e-3, {}, {}, 0}};
  report.pairs = {{0, 1, 1e-4}};
  report.notes = {"a note"};
  report.found = {{StragglerCause::pair_link, report.members[0], report.members[1], 0.5, {"slow"}, "rank 0: slow"}};
  const auto json = to_json(report);
  EXPECT_EQ(to_json(stragglers_from_json(json, "file", "/stragglers")), json);
  auto none = json;
  none["outcome"] = "none";
  EXPECT_THROW(stragglers_from_json(none, "file", "/stragglers"), InputError);
}

}  // namespace
}  // namespace assay
