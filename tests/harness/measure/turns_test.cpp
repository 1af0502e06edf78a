// Several launches sampled in turns.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "harness/core/error.h"
#include "harness/measure/statistics.h"
#include "tests/harness/measure/fake_backend.h"

namespace assay {
namespace {

using testing::Each;
using testing::SizeIs;

class TurnsTest : public testing::Test {
 protected:
  /// A launch of a point of its own that takes `seconds` and leaves its letter behind.
  Sampled launch(char letter, std::function<double()> seconds) {
    return {[this, letter, seconds](int) {
              backend_.now += seconds();
              log_ += letter;
            },
            1,
            false,
            false,
            false,
            std::string(1, letter)};
  }
  Sampled launch(char letter, double seconds) {
    return launch(letter, [seconds] { return seconds; });
  }
  std::vector<Sampling> run(const std::vector<Sampled>& contestants) {
    return sample_in_turns(contestants, backend_, alone_, rule_, Mode::burst, interrupted_, backend_.clock());
  }

  FakeBackend backend_;
  Alone alone_;
  SamplingRule rule_;
  std::string log_;
  std::atomic<bool> interrupted_{false};
};

TEST_F(TurnsTest, AlternateWhoComesFirst) {
  rule_.min_samples = rule_.max_samples = 4;
  rule_.warmup_seconds = 0;
  const auto got = run({launch('a', 0x1p-5), launch('b', 0x1p-5), launch('c', 0x1p-5)});
  ASSERT_GE(log_.size(), 12u);
  EXPECT_EQ(log_.substr(log_.size() - 12), "abcbcacababc");
  for (const auto& one : got) {
    EXPECT_THAT(one.measurement.seconds, SizeIs(4));
    EXPECT_EQ(one.measurement.in_turns, 3);
  }
}

TEST_F(TurnsTest, GiveAllAsManySamplesAsTheLastOneNeeds) {
  int calls = 0;
  const auto restless = [&] { return (++calls % 2 ? 0x1p-5 : 0x1p-6); };
  rule_.max_samples = 70;
  const auto got = run({launch('a', 0x1p-5), launch('b', restless)});
  EXPECT_EQ(got[0].measurement.stop, StopReason::interval) << "the first reason counts";
  EXPECT_EQ(got[1].measurement.stop, StopReason::max_samples);
  EXPECT_THAT(got[0].measurement.seconds, SizeIs(70));
  EXPECT_THAT(got[1].measurement.seconds, SizeIs(70));
}

TEST_F(TurnsTest, ASlowOneEndsWithItsOwnBudgetAndTheOthersGoOn) {
  rule_.wall_seconds = 8;
  const auto got = run({launch('a', 0x1p-5), launch('b', 1.0)});
  EXPECT_EQ(got[0].measurement.stop, StopReason::interval);
  EXPECT_THAT(got[0].measurement.seconds, SizeIs(30));
  EXPECT_EQ(got[1].measurement.stop, StopReason::wall_budget);
  EXPECT_LT(got[1].measurement.seconds.size(), 9u);
  EXPECT_LT(backend_.now - 1024, 8 + 1 + 31 * 0x1p-5 + 1) << "the others' turns are not on its account";
}

/// A machine that slows down by and by: one after the other the second would look slower than it is.
TEST_F(TurnsTest, WhatHappensToTheMachineHappensToAll) {
  rule_.min_samples = rule_.max_samples = 200;
  rule_.wall_seconds = 1000;
  const auto slowing = [this](double seconds) {
    return [this, seconds] { return seconds * (1 + (backend_.now - 1024) / 20); };
  };
  const auto got = run({launch('a', slowing(0x1p-5)), launch('b', slowing(0x1p-6))});
  std::vector<double> medians;
  for (const auto& one : got) medians.push_back(summarise(one.measurement.seconds).median);
  EXPECT_NEAR(medians[0] / medians[1], 2, 0.02);

  const Measurement alone =
      sample(launch('a', slowing(0x1p-5)), backend_, alone_, rule_, Mode::burst, interrupted_, backend_.clock());
  EXPECT_GT(summarise(alone.seconds).median / medians[1], 2.4) << "the machine did slow down";
}

TEST_F(TurnsTest, WakeUpWhatIsShortAndTakeTenMilliseconds) {
  rule_.min_samples = 20;
  const auto got = run({launch('a', 0x1p-10), launch('b', 0x1p-5)});
  const std::string steady = log_.substr(log_.size() - 60);
  EXPECT_THAT(steady, testing::HasSubstr("bb" + std::string(24, 'a') + "bb"))
      << "in each turn one untimed and 11 of 0.98 ms";
  EXPECT_THAT(steady, testing::Not(testing::HasSubstr("bbb"))) << "what is long is not woken up";
  for (std::size_t i = 0; i < 2; ++i)
    EXPECT_EQ(got[i].measurement.warmup_launches + std::int64_t(got[i].measurement.seconds.size()),
              std::count(log_.begin(), log_.end(), "ab"[i]))
        << "every launch is accounted for";
}

TEST_F(TurnsTest, WakeUpAllKernelsOfAPointWhereOneIsShort) {
  rule_.min_samples = rule_.max_samples = 12;
  auto ours = launch('a', 9e-3), yardstick = launch('b', 11e-3), other = launch('c', 11e-3);
  ours.point = yardstick.point = "here";
  other.point = "elsewhere";
  const auto got = run({ours, yardstick, other});
  EXPECT_THAT(log_, testing::HasSubstr("bbcaaacaaabb")) << "each begins its turn warm, or none does";
  EXPECT_THAT(got[1].measurement.seconds, SizeIs(12));
}

TEST_F(TurnsTest, WakeUpWhatIsHot) {
  rule_.min_samples = rule_.max_samples = 3;
  auto hot = launch('a', 0x1p-5);
  hot.hot = true;
  const auto got = run({hot, launch('b', 0x1p-5)});
  EXPECT_EQ(log_.substr(log_.size() - 9), "aabbaaaab");
  EXPECT_THAT(got[0].measurement.seconds, SizeIs(3));
}

TEST_F(TurnsTest, AnErrorEndsOneAlone) {
  int calls = 0;
  const auto got = run({launch('a', 0x1p-5),
                        launch('b', [&] { return ++calls < 20 ? 0x1p-5 : throw MeasureError("illegal address"); }),
                        launch('c', []() -> double { throw MeasureError("at once"); })});
  EXPECT_FALSE(got[0].error);
  EXPECT_THAT(got[0].measurement.seconds, SizeIs(30));
  EXPECT_THROW(std::rethrow_exception(got[1].error), MeasureError);
  EXPECT_TRUE(got[1].measurement.seconds.empty());
  EXPECT_TRUE(got[2].error);
}

TEST_F(TurnsTest, ATimeOutEndsOneAlone) {
  const auto got = run({launch('a', 200.0), launch('b', 0x1p-5)});
  EXPECT_EQ(got[0].measurement.stop, StopReason::timed_out);
  EXPECT_TRUE(got[0].measurement.seconds.empty());
  EXPECT_EQ(got[1].measurement.stop, StopReason::interval);
}

TEST_F(TurnsTest, AnInterruptionEndsAllWithTheFewestSamples) {
  interrupted_ = true;
  for (const auto& one : run({launch('a', 0x1p-5), launch('b', 0x1p-5)})) {
    EXPECT_EQ(one.measurement.stop, StopReason::interrupted);
    EXPECT_THAT(one.measurement.seconds, SizeIs(6));
  }
}

TEST_F(TurnsTest, ProbeAnewAfterTheOthers) {
  rule_.min_samples = rule_.max_samples = 3;
  auto probed = launch('a', 0x1p-5);
  probed.probe_placement = true;
  auto other = launch('b', [this] {
    backend_.place = [] { return Placement::far; };
    return 0x1p-5;
  });
  const auto got = run({probed, other});
  EXPECT_THAT(got[0].measurement.placement, Each(Placement::far)) << "the cores moved in the other's turn";
  EXPECT_EQ(backend_.probes, 6);
}

TEST(TurnsOfRanks, KeepInStep) {
  Meeting meeting;
  OneOfTwo rank0(meeting, 0), rank1(meeting, 1);
  FakeBackend first, second;
  second.cost = [](int i) { return i % 3 ? 0x1p-6 : 0x1p-9; };
  SamplingRule rule;
  rule.max_samples = 50;
  std::atomic<bool> never{false};
  std::vector<Sampling> other;
  std::thread thread([&] {
    other = sample_in_turns({second.launches(2, true), second.launches(3, true)}, second, rank1, rule, Mode::burst,
                            never, second.clock());
  });
  const auto mine = sample_in_turns({first.launches(2, true), first.launches(3, true)}, first, rank0, rule, Mode::burst,
                                    never, first.clock());
  thread.join();
  EXPECT_EQ(first.sets, second.sets) << "the ranks launched in step";
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(mine[i].measurement.seconds, other[i].measurement.seconds);
    EXPECT_EQ(mine[i].measurement.stop, other[i].measurement.stop);
  }
}

}  // namespace
}  // namespace assay
