#include "harness/measure/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "harness/core/error.h"
#include "tests/harness/measure/fake_backend.h"

namespace assay {
namespace {

using testing::Each;
using testing::SizeIs;

class SamplerTest : public testing::Test {
 protected:
  Measurement run(const Sampled& sampled, Mode mode = Mode::burst) {
    return sample(sampled, backend_, alone_, rule_, mode, interrupted_, backend_.clock());
  }
  FakeBackend backend_;
  Alone alone_;
  SamplingRule rule_;
  std::atomic<bool> interrupted_{false};
};

TEST_F(SamplerTest, SteadyLaunchesStopByTheInterval) {
  const Measurement got = run(backend_.launches());
  EXPECT_EQ(got.stop, StopReason::interval);
  EXPECT_THAT(got.seconds, SizeIs(30));
  EXPECT_THAT(got.seconds, Each(testing::DoubleNear(0x1.0008p-7, 1e-9)));
  EXPECT_EQ(got.batch, 1);
  EXPECT_TRUE(got.placement.empty());
  EXPECT_EQ(got.floor_seconds, 0x1p-20);
  EXPECT_NEAR(got.wall_seconds, 30 * 0x1.0008p-7, 1e-6);
  EXPECT_GE(got.warmup_seconds, 0.2);
  EXPECT_EQ(got.warmup_launches + 30, std::int64_t(backend_.sets.size())) << "every launch is accounted for";
  EXPECT_GT(backend_.empty_launches, 5);
}

TEST_F(SamplerTest, WarmUpIsExcluded) {
  backend_.cost = [this](int) { return backend_.now < 1024.15 ? 0x1p-4 : 0x1p-7; };  // page faults, say
  const Measurement got = run(backend_.launches());
  EXPECT_THAT(got.seconds, Each(testing::Lt(0.01)));
  EXPECT_GE(got.warmup_seconds, 0.2);
}

TEST_F(SamplerTest, SustainedWarmsUpLonger) {
  const Measurement got = run(backend_.launches(), Mode::sustained);
  EXPECT_GE(got.warmup_seconds, 3.0);
  EXPECT_LT(got.warmup_seconds, 4.0);
}

TEST_F(SamplerTest, SetsRotateWithoutAGap) {
  run(backend_.launches(5));
  ASSERT_GT(backend_.sets.size(), 40u);
  for (std::size_t i = 0; i < backend_.sets.size(); ++i) ASSERT_EQ(backend_.sets[i], int(i % 5)) << i;
}

TEST_F(SamplerTest, ShortLaunchesAreBatchedAndBatchesRotateToo) {
  backend_.cost = [](int) { return 0x1p-19; };
  const Measurement got = run(backend_.launches(3));
  EXPECT_GE(got.batch, 5);  // 5 launches and a floor: 11 floors
  EXPECT_LE(got.batch, 7);
  EXPECT_THAT(got.seconds, SizeIs(100));
  EXPECT_THAT(got.seconds, Each(testing::DoubleNear(0x1p-19 + 0x1p-20 / got.batch, 1e-12)));
  EXPECT_EQ(got.warmup_launches + 100 * got.batch, std::int64_t(backend_.sets.size()));
  for (std::size_t i = 0; i < backend_.sets.size(); ++i) ASSERT_EQ(backend_.sets[i], int(i % 3)) << i;
}

TEST_F(SamplerTest, ALaunchThatTakesNoTimeEndsInTheLargestBatch) {
  backend_.cost = [](int i) { return i == 0 ? 0.3 : 0; };
  EXPECT_EQ(run(backend_.launches()).batch, 256);
}

TEST_F(SamplerTest, NothingIsDiscarded) {
  backend_.cost = [](int i) { return i % 40 == 39 ? 0.5 : 0.01; };
  rule_.relative_half_width = 0.05;
  const Measurement got = run(backend_.launches());
  EXPECT_EQ(got.warmup_launches + std::int64_t(got.seconds.size()), std::int64_t(backend_.sets.size()));
  EXPECT_THAT(got.seconds, testing::Contains(testing::Gt(0.4)));
}

TEST_F(SamplerTest, MaximumNumberOfSamples) {
  backend_.cost = [](int i) { return i % 2 ? 0.01 : 0.03; };
  rule_.max_samples = 37;
  const Measurement got = run(backend_.launches());
  EXPECT_EQ(got.stop, StopReason::max_samples);
  EXPECT_THAT(got.seconds, SizeIs(37));
}

TEST_F(SamplerTest, WallBudgetCountsTheWarmUp) {
  backend_.cost = [](int i) { return i % 2 ? 0.5 : 0.7; };
  rule_.wall_seconds = 6;
  const Measurement got = run(backend_.launches());
  EXPECT_EQ(got.stop, StopReason::wall_budget);
  EXPECT_NEAR(backend_.now - 1024, 6, 0.7);
  EXPECT_GE(got.seconds.size(), 5u);
}

TEST_F(SamplerTest, OneSampleThoughTheBudgetIsGone) {
  backend_.cost = [](int) { return 20.0; };
  const Measurement got = run(backend_.launches());
  EXPECT_EQ(got.stop, StopReason::wall_budget);
  EXPECT_THAT(got.seconds, SizeIs(1));
}

TEST_F(SamplerTest, TimeOutInTheFirstLaunch) {
  backend_.cost = [](int) { return 200.0; };
  const Measurement got = run(backend_.launches());
  EXPECT_EQ(got.stop, StopReason::timed_out);
  EXPECT_TRUE(got.seconds.empty());
  EXPECT_THAT(backend_.sets, SizeIs(1));
}

TEST_F(SamplerTest, TimeOutWhileWarmingUp) {
  backend_.cost = [](int i) { return i == 7 ? 200.0 : 0.01; };
  const Measurement got = run(backend_.launches());
  EXPECT_EQ(got.stop, StopReason::timed_out);
  EXPECT_TRUE(got.seconds.empty());
}

// The floor's empty launches come between warm-up and sampling.
TEST_F(SamplerTest, TimeOutWhileSampling) {
  int samples = 0;
  backend_.cost = [&](int i) {
    if (backend_.empty_launches > 0 && ++samples == 15) return 200.0;
    return i % 2 ? 0x1p-7 : 0x1p-6;
  };
  const Measurement got = run(backend_.launches());
  EXPECT_EQ(got.stop, StopReason::timed_out);
  ASSERT_THAT(got.seconds, SizeIs(15));
  EXPECT_GT(got.seconds.back(), 199) << "the sample that took too long is kept";
}

TEST_F(SamplerTest, InterruptedWhileSamplingAndWarmingUp) {
  int samples = 0;
  backend_.cost = [&](int i) {
    if (backend_.empty_launches > 0 && ++samples == 15) interrupted_ = true;
    return i % 2 ? 0x1p-7 : 0x1p-6;
  };
  const Measurement got = run(backend_.launches());
  EXPECT_EQ(got.stop, StopReason::interrupted);
  EXPECT_THAT(got.seconds, SizeIs(15)) << "the sample that was under way is kept, and is the last";
  const Measurement least = run(backend_.launches());  // still interrupted: from the warm-up on
  EXPECT_EQ(least.stop, StopReason::interrupted);
  EXPECT_THAT(least.seconds, SizeIs(6)) << "the fewest whose median has an interval";
}

TEST_F(SamplerTest, FailuresPropagate) {
  Sampled bad{[](int) { throw MeasureError("illegal address"); }, 1, false};
  try {
    run(bad);
    FAIL() << "no error";
  } catch (const MeasureError& error) {
    EXPECT_STREQ(error.what(), "illegal address");
  }
}

TEST_F(SamplerTest, PlacementOfEachSample) {
  rule_.max_samples = 40;
  rule_.relative_half_width = 0;
  backend_.cost = [](int i) { return 0.01 + i * 1e-5; };
  backend_.place = [this] { return backend_.probes <= 11 ? Placement::near : Placement::far; };
  const Measurement got = run(backend_.launches(1, true));
  ASSERT_THAT(got.placement, SizeIs(40));
  for (std::size_t i = 0; i < 40; ++i)  // a probe before the first and after each
    EXPECT_EQ(got.placement[i], i < 10 ? Placement::near : i == 10 ? Placement::moved : Placement::far) << i;
  EXPECT_EQ(backend_.probes, 41);
}

TEST_F(SamplerTest, TinySamplesAreProbedInGroups) {
  backend_.cost = [](int) { return 0x1p-16; };
  const Measurement got = run(backend_.launches(1, true));
  EXPECT_THAT(got.seconds, SizeIs(100));
  EXPECT_THAT(got.placement, SizeIs(100));
  EXPECT_EQ(backend_.probes, 11);
}

TEST_F(SamplerTest, GroupsDoNotExceedTheMaximum) {
  backend_.cost = [](int i) { return i % 2 ? 20e-6 : 60e-6; };
  rule_.max_samples = 105;
  rule_.relative_half_width = 0;
  EXPECT_THAT(run(backend_.launches(1, true)).seconds, SizeIs(105));
}

/// Both ranks' measurements.
std::pair<Measurement, Measurement> run_two(FakeBackend& first, FakeBackend& second, const SamplingRule& rule,
                                            std::atomic<bool>& interrupted) {
  Meeting meeting;
  OneOfTwo rank0(meeting, 0), rank1(meeting, 1);
  std::pair<Measurement, Measurement> out;
  std::atomic<bool> never{false};
  std::thread other(
      [&] { out.second = sample(second.launches(2, true), second, rank1, rule, Mode::burst, never, second.clock()); });
  out.first = sample(first.launches(2, true), first, rank0, rule, Mode::burst, interrupted, first.clock());
  other.join();
  return out;
}

TEST(SamplerRanks, ASampleIsTheSlowestRanksTime) {
  FakeBackend first, second;
  second.cost = [](int) { return 0x1p-6; };
  std::atomic<bool> interrupted{false};
  const auto [a, b] = run_two(first, second, {}, interrupted);
  EXPECT_EQ(a.seconds, b.seconds);
  EXPECT_THAT(a.seconds, Each(0x1p-6 + 0x1p-20));
  EXPECT_EQ(first.sets, second.sets) << "the ranks launched in step";
  EXPECT_EQ(a.batch, b.batch);
  EXPECT_EQ(a.stop, b.stop);
  EXPECT_EQ(a.placement, b.placement);
  EXPECT_EQ(second.probes, 0) << "rank 0 probes alone";
}

TEST(SamplerRanks, RankZerosInterruptionStopsBoth) {
  FakeBackend first, second;
  std::atomic<bool> interrupted{false};
  first.cost = [&](int i) { return interrupted = first.empty_launches > 0, i % 2 ? 0x1p-7 : 0x1p-6; };
  const auto [a, b] = run_two(first, second, {}, interrupted);
  EXPECT_EQ(a.stop, StopReason::interrupted);
  EXPECT_EQ(b.stop, StopReason::interrupted);
  EXPECT_EQ(first.sets.size(), second.sets.size());
}

TEST(SamplerRanks, AFailureOnOneRankEndsBoth) {
  Meeting meeting;
  OneOfTwo rank0(meeting, 0), rank1(meeting, 1);
  FakeBackend first, second;
  second.cost = [](int i) { return i == 20 ? throw MeasureError("lost") : 0.01; };
  std::atomic<bool> never{false};
  std::string other_error;
  std::thread other([&] {
    try {
      sample(second.launches(), second, rank1, {}, Mode::burst, never, second.clock());
    } catch (const MeasureError& error) {
      other_error = error.what();
    }
  });
  EXPECT_THROW(sample(first.launches(), first, rank0, {}, Mode::burst, never, first.clock()), MeasureError);
  other.join();
  EXPECT_EQ(other_error, "lost");
}

}  // namespace
}  // namespace assay
