#include "harness/measure/rank_times.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>
#include <thread>

#include "harness/core/error.h"
#include "tests/harness/measure/fake_backend.h"
#include "tests/harness/runner/thread_ranks.h"

namespace assay {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::Ge;
using testing::IsEmpty;
using testing::Le;
using testing::SizeIs;

constexpr int kRanks = 4;

/// What each rank saw of one launch sampled by all of them; `prepare` makes a rank's device its own.
std::vector<Measurement> sample_on_ranks(const std::function<void(int rank, FakeBackend&)>& prepare,
                                         const SamplingRule& rule, std::vector<std::atomic<bool>>& interrupted) {
  std::vector<Measurement> out(kRanks);
  std::vector<FakeBackend> devices(kRanks);
  for (int rank = 0; rank < kRanks; ++rank) prepare(rank, devices[std::size_t(rank)]);
  as_ranks(kRanks, [&](Communicator& communicator) {
    const auto rank = std::size_t(communicator.rank());
    FakeBackend& device = devices[rank];
    out[rank] =
        sample(device.launches(2, true), device, communicator, rule, Mode::burst, interrupted[rank], device.clock());
  });
  return out;
}

TEST(RankTimes, EveryRanksOwnTimesAreKept) {
  std::vector<std::atomic<bool>> never(kRanks);
  const auto all = sample_on_ranks(
      [](int rank, FakeBackend& device) { device.cost = [rank](int) { return 0x1p-7 * (rank == 2 ? 3 : 1 + rank); }; },
      {}, never);
  const Measurement& m = all[0];
  ASSERT_THAT(m.rank_seconds, SizeIs(kRanks));
  EXPECT_THAT(m.rank_seconds, Each(SizeIs(m.seconds.size())));
  for (const double seconds : m.rank_seconds[0]) EXPECT_NEAR(seconds, 0x1p-7, 2e-6);
  for (const double seconds : m.rank_seconds[3]) EXPECT_NEAR(seconds, 4 * 0x1p-7, 2e-6);
  EXPECT_THAT(m.seconds, Each(4 * 0x1p-7 + 0x1p-20)) << "the headline stays the slowest rank's";
  const auto summary = summarise_ranks(m);
  ASSERT_TRUE(summary);
  EXPECT_NEAR(summary->mean_seconds, (1 + 2 + 3 + 4) / 4.0 * 0x1p-7, 2e-6);
  EXPECT_NEAR(summary->skew_seconds, 3 * 0x1p-7, 2e-6);
  EXPECT_EQ(summary->slowest_rank, 3);
  EXPECT_EQ(summary->slowest_share, 1);
}

TEST(RankTimes, TheFirstLaunchIsRecordedApart) {
  std::vector<std::atomic<bool>> never(kRanks);
  const auto all = sample_on_ranks(
      [](int rank, FakeBackend& device) {
        device.cost = [rank](int i) { return i == 0 ? 0.25 * (1 + rank) : 0x1p-7; };
      },
      {}, never);
  for (const Measurement& m : all) {
    EXPECT_EQ(m.first_seconds, 1) << "the slowest rank's";
    EXPECT_THAT(m.seconds, Each(Le(0.01))) << "and no sample";
  }
}

// Ranks whose clocks, times, budgets and signals all say something else: rank 0's decision is everybody's, at every
// point where one of them alone would have gone on or stopped.
TEST(RankTimes, RanksTakeAsManySamplesWhateverEachOfThemSees) {
  for (int round = 0; round < 12; ++round) {
    SamplingRule rule;
    rule.max_samples = 60 + 7 * round;
    rule.min_samples = 20;
    rule.relative_half_width = round % 3 == 0 ? 0 : 0.02;
    rule.wall_seconds = 0.5 + 0.25 * round;
    std::vector<std::atomic<bool>> interrupted(kRanks);
    const auto all = sample_on_ranks(
        [&](int rank, FakeBackend& device) {
          device.now = 1000.0 * rank;
          device.cost = [&interrupted, &device, rank, round](int i) {
            if (i == 40 + 13 * rank && (rank + round) % 2 == 0) interrupted[std::size_t(rank)] = true;
            device.now += 0x1p-9 * ((rank * 5 + round) % 4);  // what this rank does besides: its clock alone sees it
            return 0x1p-9 * (1 + (rank * 7 + i * 3 + round) % 5);
          };
        },
        rule, interrupted);
    for (const Measurement& m : all) {
      EXPECT_EQ(m.seconds, all[0].seconds) << round;
      EXPECT_EQ(m.placement, all[0].placement);
      EXPECT_EQ(m.stop, all[0].stop);
      EXPECT_EQ(m.batch, all[0].batch);
      EXPECT_EQ(m.warmup_launches, all[0].warmup_launches);
      EXPECT_EQ(m.rank_seconds, all[0].rank_seconds);
      EXPECT_THAT(m.rank_seconds, AllOf(SizeIs(kRanks), Each(SizeIs(m.seconds.size()))));
    }
  }
}

// In turns, one that has enough goes on for the other's sake: when it must end is rank 0's to say, too.
TEST(RankTimes, RanksTakeAsManyTurnsWhateverTheirClocksSay) {
  std::vector<std::vector<Sampling>> all(kRanks);
  as_ranks(kRanks, [&](Communicator& communicator) {
    const int rank = communicator.rank();
    FakeBackend device;
    device.cost = [rank](int i) { return 0x1p-9 * (1 + (rank * 7 + i * 3) % 5); };
    const Clock clock = [&device, rank] { return device.now * (1 + rank); };  // later ranks' budgets end sooner
    SamplingRule rule;
    rule.wall_seconds = 1;
    rule.relative_half_width = 0;
    const std::atomic<bool> never{false};
    all[std::size_t(rank)] = sample_in_turns({device.launches(2, true), device.launches(1)}, device, communicator, rule,
                                             Mode::burst, never, clock);
  });
  for (const auto& rank : all)
    for (std::size_t i = 0; i < rank.size(); ++i) {
      ASSERT_FALSE(rank[i].error);
      EXPECT_EQ(rank[i].measurement.seconds, all[0][i].measurement.seconds);
      EXPECT_EQ(rank[i].measurement.stop, all[0][i].measurement.stop);
    }
}

TEST(RankTimes, RanksThatDisagreeOnTheNumberAreAnError) {
  as_ranks(2, [](Communicator& communicator) {
    Measurement m;
    m.seconds.assign(std::size_t(20 + communicator.rank()), 1e-3);
    EXPECT_THROW(attach_rank_times(communicator, {m.seconds}, m), MeasureError);
  });
}

TEST(RankTimes, ManyRanksAreThinnedEvenly) {
  as_ranks(8, [](Communicator& communicator) {
    Measurement m;
    for (int i = 0; i < 40000; ++i) m.seconds.push_back(1e-6 * (1 + i));
    attach_rank_times(communicator, {m.seconds}, m);
    ASSERT_EQ(m.rank_stride, 3);  // 320000 times, of which at most 131072 are kept
    ASSERT_THAT(m.rank_seconds, SizeIs(8));
    EXPECT_THAT(m.rank_seconds, Each(SizeIs(13334)));
    EXPECT_NEAR(m.rank_seconds[5][100], m.seconds[300], 1e-12);
  });
}

TEST(RankTimes, OneRankHasNone) {
  Alone alone;
  Measurement m;
  m.seconds = {1, 2};
  attach_rank_times(alone, {m.seconds}, m);
  EXPECT_THAT(m.rank_seconds, IsEmpty());
  EXPECT_FALSE(summarise_ranks(m));
}

/// GPUs that one process drives: each has its own clock.
TEST(RankTimes, DevicesOfOneProcessAreRanksToo) {
  Alone alone;
  Measurement m;
  m.seconds = {3e-3, 4e-3};
  attach_rank_times(alone, {{1e-3, 4e-3}, {3e-3, 2e-3}}, m);
  EXPECT_THAT(m.rank_seconds, ElementsAre(ElementsAre(1e-3, 4e-3), ElementsAre(3e-3, 2e-3)));
  EXPECT_NEAR(summarise_ranks(m)->skew_seconds, 2e-3, 1e-12);
}

TEST(RankTimes, OnlyTheDominantPlacementCounts) {
  Measurement m;
  m.seconds = {2, 2, 9};
  m.placement = {Placement::near, Placement::near, Placement::far};
  m.rank_seconds = {{1, 1, 1}, {2, 2, 9}};
  EXPECT_EQ(summarise_ranks(m)->skew_seconds, 1);
  EXPECT_THAT(summarise_ranks(m)->slowest_share, AllOf(Ge(1), Le(1)));
}

}  // namespace
}  // namespace assay
