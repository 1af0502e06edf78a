#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "kernels/all_reduce/all_reduce.h"

namespace assay {
namespace {

TEST(AllReduceInput, SumsAreExactInEveryDtypeAndOrder) {
  for (const int ranks : {1, 2, 3, 7, 16, 64, 255, 256})
    for (std::int64_t index = 0; index < 500; ++index) {
      double sum = 0, magnitudes = 0;
      for (int rank = 0; rank < ranks; ++rank) {
        const double value = all_reduce_input(rank, ranks, index, 5);
        ASSERT_EQ(value, std::nearbyint(value));
        ASSERT_EQ(value, round_to(DType::bf16, value));
        sum += value;
        magnitudes += std::abs(value);
      }
      ASSERT_LE(magnitudes, 256);  // so every partial sum, in any order, is an integer bf16 holds
      ASSERT_EQ(sum, all_reduce_expected(ranks, index, 5));
    }
}

TEST(AllReduceInput, DependsOnRankIndexAndSeed) {
  int same_rank = 0, same_index = 0, same_seed = 0;
  for (std::int64_t index = 0; index < 10000; ++index) {
    same_rank += all_reduce_input(0, 2, index, 1) == all_reduce_input(1, 2, index, 1);
    same_index += all_reduce_input(0, 2, index, 1) == all_reduce_input(0, 2, index + 1, 1);
    same_seed += all_reduce_input(0, 2, index, 1) == all_reduce_input(0, 2, index, 2);
  }
  // 257 values, so about 39 coincidences in 10000; 100 is ten standard deviations away.
  EXPECT_LT(same_rank, 100);
  EXPECT_LT(same_index, 100);
  EXPECT_LT(same_seed, 100);
}

TEST(AllReduceInput, TakesEveryValueOfItsRange) {
  std::set<double> seen;
  for (std::int64_t index = 0; index < 20000; ++index) seen.insert(all_reduce_input(1, 64, index, 3));
  EXPECT_EQ(seen.size(), 9u);  // -4 .. 4
  EXPECT_EQ(*seen.begin(), -4);
  EXPECT_EQ(*seen.rbegin(), 4);
}

TEST(AllReduceProblem, BusFactorIsThatOfARing) {
  AllReduceProblem problem;
  problem.count = 10;
  problem.dtype = DType::bf16;
  EXPECT_EQ(problem.bytes(), 20);
  EXPECT_EQ(problem.bus_factor(), 0);
  problem.peers.ranks = 2;
  EXPECT_EQ(problem.bus_factor(), 1);
  problem.peers.ranks = 8;
  EXPECT_EQ(problem.bus_factor(), 1.75);
}

TEST(AllReduceKernels, OursComesFirstAndNamesAreUnique) {
  const auto& kernels = all_reduce_kernels();
  ASSERT_FALSE(kernels.empty());
  EXPECT_EQ(kernels.front().name, "shm_ring");
  EXPECT_FALSE(kernels.front().vendor);
  std::set<std::string> names;
  for (const auto& kernel : kernels) names.insert(kernel.name);
  EXPECT_EQ(names.size(), kernels.size());
}

TEST(AllReduceKernels, SayWhyTheyCannotRun) {
  AllReduceProblem alone;
  Target cpu;
  for (const auto& kernel : all_reduce_kernels()) {
    if (kernel.name == "openmpi" || kernel.name == "mpich") {
      EXPECT_THAT(kernel.supports(alone, cpu).reason, ::testing::HasSubstr("mpirun -n N assay run"));
    }
    if (kernel.name == "nccl") {
      EXPECT_FALSE(kernel.supports(alone, cpu).ok());
      AllReduceProblem processes;
      processes.peers.ranks = 2;
      Target gpu;
      gpu.device = Device::gpu;
      EXPECT_THAT(kernel.supports(processes, gpu).reason, ::testing::HasSubstr("without an MPI launcher"));
    }
  }
}

}  // namespace
}  // namespace assay
