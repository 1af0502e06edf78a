// The ring between threads of one process.
#include "kernels/all_reduce/shm_ring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <tuple>

#include "kernels/all_reduce/rank_threads.h"
#include "kernels/all_reduce/ring.h"
#include "kernels/all_reduce/shared_memory.h"
#include "tests/kernels/all_reduce/ranks.h"

namespace assay {
namespace {

using ::testing::HasSubstr;

AllReduceProblem problem_of(int ranks, std::int64_t count, DType dtype, bool in_place) {
  AllReduceProblem problem;
  problem.count = count;
  problem.dtype = dtype;
  problem.in_place = in_place;
  problem.peers.ranks = problem.peers.local = ranks;
  return problem;
}

class ShmRing : public ::testing::TestWithParam<std::tuple<int, DType, bool>> {};

TEST_P(ShmRing, SumsEveryElementOfEveryCount) {
  const auto [ranks, dtype, in_place] = GetParam();
  const std::int64_t longest = ranks < 4 ? 1048576 : 200003;
  // One element, fewer than ranks, odd, around the limits of the flat way (16 KiB) and of a block, primes, 1 Mi.
  for (const std::int64_t count :
       std::initializer_list<std::int64_t>{1, 2, 3, 5, 6, 7, 31, 1009, 4096, 4097, 8193, 65537, 131072, longest}) {
    const AllReduceProblem problem = problem_of(ranks, count, dtype, in_place);
    Ranks data(problem);
    const auto operation = prepare_shm_ring(problem, Target{});
    operation->launch(data.buffers(), nullptr);
    ASSERT_EQ(data.wrong(), "") << "count " << count << ", " << operation->description();
  }
}

TEST_P(ShmRing, StaysRightOverManyLaunches) {
  const auto [ranks, dtype, in_place] = GetParam();
  for (const std::int64_t count : {3, 5000, 140009}) {
    const AllReduceProblem problem = problem_of(ranks, count, dtype, in_place);
    Ranks first(problem), second(problem);
    const auto operation = prepare_shm_ring(problem, Target{});
    for (int launch = 0; launch < 8; ++launch) {
      Ranks& data = launch % 3 == 0 ? first : second;
      data.reset();
      operation->launch(data.buffers(), nullptr);
      ASSERT_EQ(data.wrong(), "") << "launch " << launch << " of " << count;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, ShmRing,
                         ::testing::Combine(::testing::Values(1, 2, 3, 4, 7),
                                            ::testing::Values(DType::f32, DType::bf16), ::testing::Bool()));

TEST(ShmRingRanks, SixteenRanksAndThirtyThree) {
  for (const int ranks : {16, 33})
    for (const std::int64_t count : {1, 15, 16, 20000}) {
      const AllReduceProblem problem = problem_of(ranks, count, DType::f32, false);
      Ranks data(problem);
      prepare_shm_ring(problem, Target{})->launch(data.buffers(), nullptr);
      ASSERT_EQ(data.wrong(), "") << ranks << " ranks, count " << count;
    }
}

TEST(ShmRingRanks, WakesThreadsThatHaveGoneToSleep) {
  const AllReduceProblem problem = problem_of(3, 1000, DType::f32, false);
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
  AllReduceProblem processes = problem_of(2, 1, DType::f32, false);
  processes.peers.local = 1;
  EXPECT_THAT(shm_ring_supports(processes, Target{}).reason, HasSubstr("name"));
  processes.peers.shared_name = "x";
  EXPECT_TRUE(shm_ring_supports(processes, Target{}).ok());
  processes.peers.one_host = false;
  EXPECT_THAT(shm_ring_supports(processes, Target{}).reason, HasSubstr("host"));
}

TEST(RingPlan, CoversEveryElementOnceWithAlignedSegments) {
  for (const int ranks : {1, 2, 3, 7, 16, 64})
    for (const DType dtype : {DType::f32, DType::bf16})
      for (const std::int64_t count : {1L, 63L, 5000L, 65536L, 65537L, 1000003L, 1L << 28}) {
        const RingPlan plan = plan_ring(ranks, dtype, count);
        EXPECT_EQ(plan.segment * std::int64_t(size_bytes(dtype)) % 64, 0);
        EXPECT_GE(plan.blocks * plan.block(), count);
        EXPECT_LT((plan.blocks - 1) * plan.block(), count);
        EXPECT_LE(plan.segment_bytes(), std::size_t(64) << 20) << ranks << " " << count;  // /dev/shm of a container
      }
}

// The members of a ring, driven by the test's own threads, one of which never comes.
TEST(RingDeadline, NamesTheRankThatDidNotArriveAndNobodyHangs) {
  for (const std::int64_t count : {10, 100000}) {
    RingPlan plan = plan_ring(4, DType::f32, count);
    plan.deadline_seconds = 0.3;
    const SharedMemory memory = SharedMemory::anonymous(plan.segment_bytes());
    const std::vector<float> input(static_cast<std::size_t>(count), 1.0f);
    std::vector<std::string> errors(4);
    std::vector<std::thread> threads;
    const auto start = std::chrono::steady_clock::now();
    for (const int rank : {0, 1, 3})
      threads.emplace_back([&, rank] {
        std::vector<float> output(input.size());
        try {
          RingMember(plan, memory.data(), rank).run(input.data(), output.data());
        } catch (const std::runtime_error& error) {
          errors[std::size_t(rank)] = error.what();
        }
      });
    for (auto& thread : threads) thread.join();
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
    for (const int rank : {0, 1, 3}) EXPECT_THAT(errors[std::size_t(rank)], HasSubstr("rank 2 of 4 did not arrive"));
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
