// A step on several ranks: gradients reduced after backward, and in buckets beside it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <mutex>
#include <set>

#include "harness/train/beside.h"
#include "harness/train/gradient_buckets.h"
#include "harness/train/step.h"
#include "harness/train/times.h"
#include "harness/train/verify.h"
#include "tests/harness/train/rank_threads.h"
#include "tests/harness/train/training.h"

namespace assay {
namespace {

// Of 180 KB of gradients: a dozen.
constexpr std::int64_t kSmallBuckets = 16384;

TrainSetup setup_of(int ranks, std::int64_t bucket_bytes) {
  TrainSetup setup = small_setup();
  setup.batch = 2 * ranks, setup.bucket_bytes = bucket_bytes;
  return setup;
}

/// `use` of each rank's step; a thread each, as ranks are: more would be more than the machine has.
void with_steps(const TrainSetup& setup, int ranks, const std::function<void(TrainStep&, Backend&, Communicator&)>& use,
                const ProgramMaker& make = make_program) {
  on_ranks(ranks, [&](Communicator& communicator) {
    const auto backend = make_cpu_backend(1);
    TrainStep step(setup, *find_step_kernels("step_cpu"), *backend, communicator, make);
    use(step, *backend, communicator);
  });
}

/// Of every rank: gradients of the first batch, and the state after three steps; both of a second time too.
std::set<std::string> digests_of(const TrainSetup& setup, int ranks) {
  std::mutex mutex;
  std::set<std::string> out;
  with_steps(setup, ranks, [&](TrainStep& step, Backend&, Communicator&) {
    for (int time = 0; time < 2; ++time) {
      step.reset();
      step.run_gradients();
      const std::string gradients = step.gradient_digest();
      for (int i = 0; i < 3; ++i) step.run();
      const std::lock_guard lock(mutex);
      out.insert(gradients + " " + step.state_digest());
    }
  });
  return out;
}

/// Our all-reduce sums in the order of ranks, whatever the message: no bit depends on the buckets, on any rank.
TEST(TrainRanks, BucketsLeaveTheBitsOfOneAllReduce) {
  for (const int ranks : {2, 3}) {
    std::set<std::string> all;
    for (const std::int64_t bytes : {std::int64_t(0), kSmallBuckets, kUsualBucketBytes})
      all.merge(digests_of(setup_of(ranks, bytes), ranks));
    EXPECT_EQ(all.size(), 1U) << ranks << " ranks";
  }
}

TEST(TrainRanks, GradientsAreThoseOfTheWholeBatch) {
  with_steps(setup_of(2, kSmallBuckets), 2, [](TrainStep& step, Backend&, Communicator& communicator) {
    step.run_gradients();
    if (!communicator.is_root()) return;
    Check check;
    compare_gradients(check, step);
    EXPECT_TRUE(check.ok()) << check.describe();
  });
}

/// A program whose bucket `which` is reduced before the launch that writes the last of it; at once, so that the mistake
/// does not depend on which thread is faster.
ProgramMaker too_early(std::size_t which) {
  return [which](const TrainSetup& setup, const StepKernels& kernels, const StepTensors& tensors, Backend& backend,
                 Communicator& communicator) {
    StepProgram program = make_program(setup, kernels, tensors, backend, communicator);
    std::size_t at = 0;
    for (std::size_t left = which; left > 0 || !program.backward[at].alone; ++at)
      if (program.backward[at].alone) --left;
    while (program.backward[at - 1].alone) --at;  // others that are complete with the same launch
    StepOp& bucket = program.backward[at];
    bucket.launch = [join = program.reduce.front().launch, reduce = bucket.alone] {
      join();
      reduce();
    };
    std::swap(bucket, program.backward[at - 1]);
    return program;
  };
}

TEST(TrainRanks, ABucketReducedBeforeItsLastGradientIsFound) {
  for (const std::size_t which : {std::size_t(0), std::size_t(5)}) {
    std::set<std::string> digests;
    std::mutex mutex;
    with_steps(
        setup_of(2, kSmallBuckets), 2,
        [&](TrainStep& step, Backend&, Communicator& communicator) {
          step.run_gradients();
          {
            const std::lock_guard lock(mutex);
            digests.insert(step.gradient_digest());
          }
          if (!communicator.is_root()) return;
          Check check;
          compare_gradients(check, step);
          EXPECT_FALSE(check.ok()) << "bucket " << which;
          EXPECT_THAT(check.describe(), ::testing::HasSubstr("gradient of"));
        },
        too_early(which));
    EXPECT_EQ(digests.size(), 2U) << "bucket " << which << ": ranks have the same gradients all the same";
  }
}

TEST(TrainRanks, TimesOfTheReductionAreThoseOfItsDefinition) {
  with_steps(setup_of(2, kSmallBuckets), 2, [&](TrainStep& step, Backend& backend, Communicator& communicator) {
    const ReductionTimes times = measure_reduction(step, backend, communicator);
    EXPECT_GT(times.alone, 0);
    EXPECT_GE(times.exposed, 0);
    EXPECT_GE(times.rounds, 7);
    EXPECT_GT(measure_times(step, backend, communicator).projected, 0);
  });
  EXPECT_EQ((ReductionTimes{1, 4, 9}.hidden()), 0.75);
  EXPECT_EQ((ReductionTimes{5, 4, 9}.hidden()), 0) << "longer than alone: nothing is hidden, not less than nothing";
  EXPECT_EQ((ReductionTimes{}.hidden()), 0);
  EXPECT_TRUE(std::isnan(ReductionTimes{NAN, 4, 9}.hidden()));
}

/// A GPU as far as the order of its two streams goes: writes down what is asked of it.
class TwoStreams final : public Backend {
 public:
  Target target(int) const override {
    Target out;
    out.device = Device::gpu;
    return out;
  }
  Stream stream(int) const override { return reinterpret_cast<Stream>(std::uintptr_t(1)); }
  Stream second_stream(int) const override { return reinterpret_cast<Stream>(std::uintptr_t(2)); }
  void fork_second(int) override { said += "fork "; }
  void join_second(int) override { said += "join "; }
  Buffer allocate(std::size_t, int) override { return {}; }
  void copy_in(const Buffer&, const void*, std::size_t) override {}
  void copy_out(void*, const Buffer&, std::size_t) override {}
  void fill(const Buffer&, std::uint8_t) override {}
  std::size_t free_bytes(int) const override { return 0; }
  double time(const std::function<void()>& enqueue) override { return enqueue(), 0; }
  void synchronize() override { said += "synchronize "; }
  std::size_t last_level_cache_bytes() const override { return 0; }

  std::string said;

 private:
  void release(void*, std::size_t, int) noexcept override {}
};

/// Each bucket comes after what was launched before it, and the host waits for nothing.
TEST(BesideStep, OnAGpuTheStreamsAreOrderedAndTheHostDoesNotWait) {
  TwoStreams backend;
  BesideStep beside(backend);
  for (int bucket = 0; bucket < 2; ++bucket)
    beside.start([&](Stream stream) {
      EXPECT_EQ(stream, backend.second_stream(0));
      backend.said += "bucket ";
    });
  beside.join();
  EXPECT_EQ(backend.said, "fork bucket fork bucket join ");
}

TEST(BesideStep, AnErrorBesideComesOutWhereItIsJoined) {
  const auto backend = make_cpu_backend(1);
  BesideStep beside(*backend);
  bool behind = false;
  beside.start([](Stream) { throw std::runtime_error("the planted bucket fails"); });
  beside.start([&](Stream) { behind = true; });
  EXPECT_THROW(beside.join(), std::runtime_error);
  EXPECT_FALSE(behind);
  beside.start([&](Stream) { behind = true; });
  beside.join();
  EXPECT_TRUE(behind);
}

}  // namespace
}  // namespace assay
