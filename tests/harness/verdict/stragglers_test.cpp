// A hundred made-up measurements of each fault, and of none.
#include "harness/verdict/stragglers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/harness/verdict/synthetic_pass.h"

namespace assay {
namespace {

using ::testing::HasSubstr;

constexpr int kTrials = 100, kLeastFound = 95;

/// Trials in which exactly the fault is named.
int found(const std::vector<std::string>& hosts, Fault fault, StragglerCause cause) {
  int count = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    fault.rank = fault.rank < 0 && fault.pair.first < 0 ? trial % int(hosts.size()) : fault.rank;
    const auto report = Synthetic(hosts, fault, std::uint64_t(trial)).search();
    const int expected = fault.pair.first >= 0 ? fault.pair.first : fault.rank;
    if (report.found.size() != 1) continue;
    const Straggler& one = report.found.front();
    const bool right = one.cause == cause && one.who.rank == expected && one.who.host == hosts[std::size_t(expected)];
    count += right && (!one.partner || one.partner->rank == fault.pair.second);
  }
  return count;
}

int accused(const std::vector<std::string>& hosts, Noise noise = {}) {
  int count = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    const auto report = Synthetic(hosts, {}, std::uint64_t(1000 + trial), noise).search();
    EXPECT_EQ(report.reason, "");
    count += !report.found.empty();
  }
  return count;
}

Fault slow_compute(int rank) {
  Fault fault;
  fault.rank = rank;
  fault.compute = 1.2;
  return fault;
}

TEST(Stragglers, SlowComputeIsFound) {
  for (const int ranks : {2, 3, 4, 8}) {
    EXPECT_GE(found(one_host(ranks), slow_compute(ranks - 1), StragglerCause::compute), kLeastFound) << ranks;
    EXPECT_GE(found(own_hosts(ranks), slow_compute(0), StragglerCause::compute), kLeastFound) << ranks;
  }
}

TEST(Stragglers, SlowMemoryIsFound) {
  Fault fault;
  fault.rank = 1;
  fault.memory = 1.2;
  EXPECT_GE(found(one_host(2), fault, StragglerCause::memory), kLeastFound);
  EXPECT_GE(found(own_hosts(5), fault, StragglerCause::memory), kLeastFound);
}

TEST(Stragglers, WhoComesLateForNoReasonThatAProbeShowsIsFound) {
  Fault fault;
  fault.rank = 1;
  fault.late = 0.2;
  for (const int ranks : {2, 4})
    EXPECT_GE(found(one_host(ranks), fault, StragglerCause::arrival), kLeastFound) << ranks;
}

TEST(Stragglers, TheSlowLinkOfANodeIsFound) {
  Fault fault;
  fault.rank = 2;
  fault.link = 1.5;
  for (const int ranks : {3, 4, 5, 8})
    EXPECT_GE(found(own_hosts(ranks), fault, StragglerCause::node_link), kLeastFound) << ranks;
}

TEST(Stragglers, TheSlowLinkOfAPairIsFound) {
  Fault fault;
  fault.pair = {1, 3};
  fault.pair_link = 2;
  for (const int ranks : {4, 5, 8})
    EXPECT_GE(found(own_hosts(ranks), fault, StragglerCause::pair_link), kLeastFound) << ranks;
}

TEST(Stragglers, NobodyHealthyIsAccused) {
  for (const int ranks : {2, 3, 4, 8}) {
    EXPECT_EQ(accused(one_host(ranks)), 0) << ranks;
    EXPECT_EQ(accused(own_hosts(ranks)), 0) << ranks;
  }
}

TEST(Stragglers, NobodyIsAccusedOnABusyMachine) {
  const Noise busy{0.1, 0.1, 0.04, 0.5, 0.4};
  for (const int ranks : {2, 3}) EXPECT_EQ(accused(one_host(ranks), busy), 0) << ranks;
}

// A rank that is always a little behind the other is last nearly always, and slows nobody down.
TEST(Stragglers, ALittleLateIsNoFault) {
  Fault fault;
  fault.rank = 1;
  fault.late = 0.04;
  const Noise quiet{0.003, 0.01, 0.002, 0, 0};
  for (int trial = 0; trial < 20; ++trial) {
    const auto report = Synthetic(one_host(2), fault, std::uint64_t(trial), quiet).search();
    EXPECT_TRUE(report.found.empty()) << report.found.front().verdict;
    EXPECT_GE(report.members[1].last, 90);
  }
}

TEST(Stragglers, TheVerdictSaysWhatPointsAtTheRank) {
  const auto report = Synthetic(own_hosts(4), slow_compute(2), 1).search();
  ASSERT_EQ(report.found.size(), 1u);
  const std::string verdict = report.found.front().verdict;
  EXPECT_THAT(verdict, HasSubstr("rank 2 (node2, cpu): compute probe "));
  EXPECT_THAT(verdict, HasSubstr(" % slower than the median of the other 3; memory probe as fast as"));
  EXPECT_THAT(verdict, HasSubstr("last to arrive in "));
  EXPECT_THAT(verdict, HasSubstr("; pairs with rank 2 as fast as others: the device's compute, not its link"));
  EXPECT_NEAR(report.found.front().slowdown, 0.2, 0.08);
  EXPECT_LT(*report.members[2].wait_seconds, *report.members[1].wait_seconds);
}

// A processor moves its messages itself: they are slow because it is.
TEST(Stragglers, TheLinkOfASlowRankIsNotAccused) {
  Fault fault = slow_compute(1);
  fault.link = 1.5;
  EXPECT_GE(found(own_hosts(4), fault, StragglerCause::compute), kLeastFound);
}

TEST(Stragglers, TwoFaultsAreBothNamed) {
  int both = 0;
  for (int trial = 0; trial < 20; ++trial) {
    Fault fault = slow_compute(1);
    fault.pair = {2, 3};
    fault.pair_link = 2;
    const auto report = Synthetic(own_hosts(6), fault, std::uint64_t(trial)).search();
    both += report.found.size() == 2 && report.found[0].cause == StragglerCause::compute &&
            report.found[1].cause == StragglerCause::pair_link;
  }
  EXPECT_GE(both, 19);
}

TEST(Stragglers, ClocksThatMayBeWrongByMoreThanTheDelayAccuseNobody) {
  Fault fault;
  fault.rank = 1;
  fault.late = 0.2;
  Synthetic machine(own_hosts(2), fault, 3);
  StragglerPass pass = machine.pass({});
  EXPECT_EQ(judge_stragglers({pass}, {}).found.size(), 1u);
  pass.clock_uncertainty = {0, 1e-3};
  EXPECT_TRUE(judge_stragglers({pass}, {}).found.empty());
}

TEST(Stragglers, WhatDoesNotComeAgainIsNoAccusation) {
  const Noise quiet{0.01, 0.01, 0.01, 0, 0};
  Synthetic slow(one_host(2), slow_compute(1), 4, quiet), healthy(one_host(2), {}, 5, quiet);
  const StragglerPass first = slow.pass({}), second = healthy.pass({});
  EXPECT_EQ(judge_stragglers({first}, {}).found.size(), 1u);
  EXPECT_TRUE(judge_stragglers({first, second}, {}).found.empty());
}

TEST(Stragglers, OneRankCannotBeJudged) {
  const auto report = Synthetic(one_host(1), {}, 1).search();
  EXPECT_THAT(report.reason, HasSubstr("nobody to compare it with"));
  EXPECT_TRUE(report.found.empty());
}

TEST(Stragglers, NothingUndisturbedIsNotHealthy) {
  Synthetic machine(one_host(2), {}, 1);
  StragglerPass pass = machine.pass({});
  for (auto* series : {&pass.compute, &pass.memory})
    for (auto& blocks : *series)
      for (auto& block : blocks) block.clear();
  for (auto& one : pass.operations) one.disturbed[0] = true;
  EXPECT_THAT(judge_stragglers({pass}, {}).reason, HasSubstr("arrivals were not judged"));
}

// Different kinds of devices are not compared with each other.
TEST(Stragglers, AGpuIsNotSlowBecauseACpuIsFaster) {
  Synthetic machine(own_hosts(4), slow_compute(3), 6);
  StragglerPass pass = machine.pass({});
  pass.members[3].device = "gpu0";
  pass.operations.clear();
  EXPECT_TRUE(judge_stragglers({pass}, {}).found.empty());
}

// Healthy ranks on one memory do not draw from it evenly; an accelerator has its own.
TEST(Stragglers, AnUnevenShareOfMemoryAccusesNoProcessor) {
  Fault fault;
  fault.rank = 1;
  fault.memory = 1.125;
  Synthetic machine(one_host(2), fault, 7, {.scatter = 0.01, .outliers = 0, .wander = 0, .far = 0, .disturbed = 0});
  StragglerPass pass = machine.pass({});
  pass.operations.clear();
  EXPECT_TRUE(judge_stragglers({pass}, {}).found.empty());
  for (auto& member : pass.members) member.device = "gpu" + std::to_string(member.rank);
  const auto report = judge_stragglers({pass}, {});
  ASSERT_EQ(report.found.size(), 1u);
  EXPECT_EQ(report.found.front().cause, StragglerCause::memory);
  EXPECT_EQ(report.found.front().who.rank, 1);
}

}  // namespace
}  // namespace assay
