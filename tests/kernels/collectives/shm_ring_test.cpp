// The ring between threads of one process.
#include "kernels/collectives/shm_ring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <tuple>

#include "kernels/collectives/low_latency.h"
#include "kernels/collectives/rank_threads.h"
#include "kernels/collectives/ring.h"
#include "kernels/collectives/shared_memory.h"
#include "kernels/collectives/shm_window.h"
#include "kernels/collectives/staged.h"
#include "kernels/collectives/store_trials.h"
#include "tests/kernels/collectives/ranks.h"

namespace assay {
namespace {

using ::testing::HasSubstr;

CollectiveProblem problem_of(int ranks, std::int64_t count, DType dtype, bool in_place) {
  return thread_problem(Collective::all_reduce, ranks, count, dtype, in_place);
}

std::string run(CollectiveOperation& operation, Ranks& first, Ranks& second, int launches) {
  for (int launch = 0; launch < launches; ++launch) {
    Ranks& data = launch % 3 == 0 ? first : second;
    data.reset();
    const CollectiveBuffers buffers = data.buffers();
    operation.launch(buffers, nullptr);
    if (const std::string wrong = data.wrong(); !wrong.empty())
      return "launch " + std::to_string(launch) + ": " + wrong + " (" + operation.description() + ")";
  }
  return {};
}

/// Several launches on two sets of buffers; empty where all was right.
std::string run(const CollectiveProblem& problem, int launches) {
  if (problem.buffers != BufferKind::window) {
    Ranks first(problem), second(problem);
    const auto operation = prepare_shm_ring(problem, Target{});
    return run(*operation, first, second, launches);
  }
  // Sets of a window lie one behind the other; one set is enough here.
  const auto window = make_shm_window(problem.peers, Ranks::window_bytes(problem));
  Ranks data(problem, window.get());
  const auto operation = prepare_shm_window(problem, Target{}, window.get());
  return run(*operation, data, data, launches);
}

class ShmCollective : public ::testing::TestWithParam<std::tuple<Collective, BufferKind, int>> {};

TEST_P(ShmCollective, IsRightForEveryCountTypeAndPlacement) {
  const auto [operation, buffers, ranks] = GetParam();
  // Fewer elements than ranks (empty segments), odd counts, around the limits of the ways a message takes, more than
  // one chunk.
  const std::int64_t longest = ranks == 2 ? 524309 : 262147;
  for (const std::int64_t count :
       std::initializer_list<std::int64_t>{1, 2, 3, 5, 7, 31, 128, 129, 1009, 4097, 8193, 65537, longest})
    for (const DType dtype : {DType::f32, DType::bf16, DType::f16})
      for (const bool in_place : {false, true}) {
        if (in_place && !info(operation).has_in_place) continue;
        if (count > 5000 && dtype != DType::f32 && (in_place || count == longest)) continue;
        CollectiveProblem problem = thread_problem(operation, ranks, count, dtype, in_place);
        if (problem.count == 0) continue;
        problem.buffers = buffers;
        problem.root = ranks - 1;
        ASSERT_EQ(run(problem, count < 5000 ? 5 : 2), "")
            << name(operation) << " " << name(dtype) << (in_place ? " in place" : "") << " count " << count;
      }
}

INSTANTIATE_TEST_SUITE_P(All, ShmCollective,
                         ::testing::Combine(::testing::Values(Collective::all_reduce, Collective::all_gather,
                                                              Collective::reduce_scatter, Collective::broadcast,
                                                              Collective::all_to_all, Collective::send_recv),
                                            ::testing::Values(BufferKind::user, BufferKind::window),
                                            ::testing::Values(1, 2, 3, 4, 5)),
                         [](const auto& param) {
                           return std::string(name(std::get<0>(param.param))) + "_" + name(std::get<1>(param.param)) +
                                  "_" + std::to_string(std::get<2>(param.param));
                         });

TEST(ShmCollectives, AreRightInManyChunks) {
  // Parts of more than two chunks each: slots are used again, and their readers waited for.
  for (const Collective operation : {Collective::all_gather, Collective::reduce_scatter, Collective::all_to_all})
    ASSERT_EQ(run(thread_problem(operation, 3, 3 * 600011, DType::f32), 2), "") << name(operation);
  for (const Collective operation : {Collective::all_reduce, Collective::broadcast, Collective::send_recv})
    ASSERT_EQ(run(thread_problem(operation, 3, 900007, DType::f32), 2), "") << name(operation);
}

TEST(ShmRingAlgorithms, EachIsRightForEveryCount) {
  for (const std::string algorithm : {"low_latency", "flat", "two_shot", "ring"})
    for (const int ranks : {2, 3, 5})
      for (const std::int64_t count : {1, 2, 7, 129, 4097, 65537, 200003})
        for (const DType dtype : {DType::f32, DType::f16}) {
          CollectiveProblem problem = problem_of(ranks, count, dtype, false);
          problem.algorithm = algorithm;
          if (!shm_ring_supports(problem, Target{}).ok()) continue;
          ASSERT_EQ(run(problem, 4), "") << algorithm << " " << ranks << " " << count;
        }
}

TEST(ShmRingRanks, SixteenRanksAndThirtyThree) {
  for (const int ranks : {16, 33})
    for (const std::int64_t count : {1, 15, 16, 20000})
      ASSERT_EQ(run(problem_of(ranks, count, DType::f32, false), 1), "") << ranks << " ranks, count " << count;
}

TEST(ShmRingRanks, WakesThreadsThatHaveGoneToSleep) {
  const CollectiveProblem problem = problem_of(3, 1000, DType::f32, false);
  Ranks data(problem);
  const auto operation = prepare_shm_ring(problem, Target{});
  for (int launch = 0; launch < 3; ++launch) {
    data.reset();
    operation->launch(data.buffers(), nullptr);
    ASSERT_EQ(data.wrong(), "");
    std::this_thread::sleep_for(std::chrono::milliseconds(60));  // threads yield for 20 ms, then sleep
  }
}

TEST(ShmRingSupports, SaysWhyNot) {
  EXPECT_TRUE(shm_ring_supports(problem_of(64, 1, DType::f32, false), Target{}).ok());
  EXPECT_THAT(shm_ring_supports(problem_of(65, 1, DType::f32, false), Target{}).reason, HasSubstr("at most 64 ranks"));
  CollectiveProblem processes = problem_of(2, 1, DType::f32, false);
  processes.peers.local = 1;
  EXPECT_THAT(shm_ring_supports(processes, Target{}).reason, HasSubstr("name"));
  processes.peers.shared_name = "x";
  EXPECT_TRUE(shm_ring_supports(processes, Target{}).ok());
  processes.peers.one_host = false;
  EXPECT_THAT(shm_ring_supports(processes, Target{}).reason, HasSubstr("host"));
  CollectiveProblem window = problem_of(2, 1, DType::f32, false);
  EXPECT_THAT(shm_window_supports(window, Target{}).reason, HasSubstr("buffers=window"));
  window.buffers = BufferKind::window;
  EXPECT_TRUE(shm_window_supports(window, Target{}).ok());
  EXPECT_THAT(shm_ring_supports(window, Target{}).reason, HasSubstr("buffers=user"));
  CollectiveProblem broadcast = thread_problem(Collective::broadcast, 2, 8, DType::f32);
  broadcast.algorithm = "ring";
  EXPECT_THAT(shm_ring_supports(broadcast, Target{}).reason, HasSubstr("one algorithm for broadcast"));
  CollectiveProblem few = thread_problem(Collective::all_gather, 4, 3, DType::f32);
  EXPECT_THAT(shm_ring_supports(few, Target{}).reason, HasSubstr("fewer elements than ranks"));
}

TEST(ShmWindow, BelongsToItsKernel) {
  CollectiveProblem problem = problem_of(2, 1, DType::f32, false);
  problem.buffers = BufferKind::window;
  EXPECT_THROW(prepare_shm_window(problem, Target{}, nullptr), std::logic_error);
}

TEST(RingPlan, CoversEveryElementOnceWithAlignedSegments) {
  for (const int ranks : {1, 2, 3, 7, 16, 64})
    for (const DType dtype : {DType::f32, DType::bf16})
      for (const std::int64_t count : {1L, 63L, 5000L, 65536L, 65537L, 1000003L, 1L << 28}) {
        const RingPlan plan = plan_ring(ranks, dtype, count);
        EXPECT_EQ(plan.segment * std::int64_t(size_bytes(dtype)) % 64, 0);
        EXPECT_GE(plan.blocks * plan.block(), count);
        EXPECT_LT((plan.blocks - 1) * plan.block(), count);
        EXPECT_LE(plan.shared_bytes(), std::size_t(64) << 20) << ranks << " " << count;  // /dev/shm of a container
      }
}

TEST(StagedPlan, CoversEveryElementOnceInSlotsThatStaySmall) {
  for (const CollectiveInfo& kind : kCollectives)
    for (const bool two_shot : {false, true})
      for (const int ranks : {2, 3, 7, 64})
        for (const DType dtype : {DType::f32, DType::f16})
          for (const std::int64_t count : {64L, 5000L, 65537L, 1000003L, 1L << 28}) {
            if (two_shot && kind.operation != Collective::all_reduce) continue;
            const StagedPlan plan = plan_staged(thread_problem(kind.operation, ranks, count, dtype), two_shot);
            EXPECT_EQ(plan.slice * std::int64_t(size_bytes(dtype)) % 64, 0);
            EXPECT_GE(plan.chunks * plan.chunk, plan.length);
            EXPECT_LT((plan.chunks - 1) * plan.chunk, plan.length);
            EXPECT_LE(plan.shared_bytes(), std::size_t(64) << 20) << kind.name << " " << ranks << " " << count;
          }
}

// What the trials choose after so many launches, where one way takes so long and the other so long.
bool chosen_after(int launches, double cached, double streaming, StoreTrials trials = {}) {
  for (std::uint64_t launch = 0; launch < std::uint64_t(launches); ++launch)
    trials.add(launch, trials.streaming() != StoreTrials::is_trial(launch) ? streaming : cached);
  return trials.streaming();
}

TEST(StoreTrials, ChoosesTheFasterWay) {
  EXPECT_FALSE(chosen_after(7, 2, 1)) << "not yet decided";
  EXPECT_TRUE(chosen_after(8, 2, 1));
  EXPECT_TRUE(chosen_after(1000, 2, 1));
  EXPECT_FALSE(chosen_after(1000, 1, 2));
}

TEST(StoreTrials, FollowsWhenTheOtherWayBecomesFaster) {
  StoreTrials trials;
  int streamed = 0, tried = 0;
  for (std::uint64_t launch = 0; launch < 640; ++launch) {
    const bool early = launch < 320;
    const bool streaming = trials.streaming() != StoreTrials::is_trial(launch);
    trials.add(launch, streaming == early ? 1 : 2);
    if (launch >= 8) tried += StoreTrials::is_trial(launch);
    if (launch >= 322) streamed += streaming;
  }
  EXPECT_FALSE(trials.streaming());
  EXPECT_LE(streamed, 62 + 6) << "until the next trials, and then in trials";
  EXPECT_LE(tried, 20) << "2 of 64";
}

// Ranks driven by the test's own threads.  The larger words are what this processor has, and so in every other test.
TEST(LowLatencyWords, OfEightBytesCarryAnySizeToo) {
  for (const std::int64_t count : {1, 2, 3, 7, 33, 1001}) {
    const CollectiveProblem problem = problem_of(3, count, DType::f16, false);
    const SharedMemory memory = SharedMemory::anonymous(sizeof(ShmControl) + low_latency_shared_bytes(problem));
    Ranks data(problem);
    const CollectiveBuffers buffers = data.buffers();
    std::vector<std::thread> threads;
    for (int rank = 0; rank < 3; ++rank)
      threads.emplace_back([&, rank] {
        const ShmMember member(reinterpret_cast<ShmControl*>(memory.data()), rank, 3, 30);
        const auto algorithm = make_low_latency(problem, member, memory.data() + sizeof(ShmControl), 8);
        for (int launch = 0; launch < 3; ++launch)
          algorithm->run(buffers.input[std::size_t(rank)], buffers.output[std::size_t(rank)]);
      });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(data.wrong(), "") << count;
  }
}

// Ranks driven by the test's own threads, one of which never comes.
TEST(ShmDeadline, NamesTheRankThatDidNotArriveAndNobodyHangs) {
  for (const std::string algorithm : {"low_latency", "flat", "two_shot", "ring"})
    for (const std::int64_t count : {10, 100000}) {
      CollectiveProblem problem = problem_of(4, count, DType::f32, false);
      problem.algorithm = algorithm;
      if (!shm_ring_supports(problem, Target{}).ok()) continue;
      const ShmChoice choice = choose_staged(problem, algorithm);
      const SharedMemory memory = SharedMemory::anonymous(sizeof(ShmControl) + choice.shared_bytes);
      const std::vector<float> input(static_cast<std::size_t>(count), 1.0f);
      std::vector<std::string> errors(4);
      std::vector<std::thread> threads;
      const auto start = std::chrono::steady_clock::now();
      for (const int rank : {0, 1, 3})
        threads.emplace_back([&, rank] {
          std::vector<float> output(input.size());
          try {
            const ShmMember member(reinterpret_cast<ShmControl*>(memory.data()), rank, 4, 0.3);
            choice.make(member, memory.data() + sizeof(ShmControl))->run(input.data(), output.data());
          } catch (const std::runtime_error& error) {
            errors[std::size_t(rank)] = error.what();
          }
        });
      for (auto& thread : threads) thread.join();
      EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
      for (const int rank : {0, 1, 3})
        EXPECT_THAT(errors[std::size_t(rank)], HasSubstr("rank 2 of 4 did not arrive")) << algorithm;
    }
}

TEST(RankThreads, ThrowsWhatARankThrewAndGoesOn) {
  std::atomic<int> calls = 0;
  bool fall = true;
  RankThreads threads(3, 1, [&](int rank) {
    ++calls;
    if (rank == 2 && fall) throw std::runtime_error("rank 2 fell");
  });
  EXPECT_THROW(threads.run(), std::runtime_error);
  fall = false;
  EXPECT_NO_THROW(threads.run());
  EXPECT_EQ(calls, 6);
}

TEST(RankThreads, LeavesTheCallersAffinityAlone) {
  cpu_set_t before, after;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  RankThreads(4, 2, [](int) {}).run();
  ASSERT_EQ(sched_getaffinity(0, sizeof after, &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
}

}  // namespace
}  // namespace assay
