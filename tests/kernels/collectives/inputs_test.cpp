#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "kernels/collectives/collectives.h"

namespace assay {
namespace {

CollectiveProblem problem_of(Collective operation, int ranks, std::int64_t count = 500, DType dtype = DType::f32) {
  CollectiveProblem problem;
  problem.operation = operation;
  problem.count = count;
  problem.dtype = dtype;
  problem.peers.ranks = ranks;
  return problem;
}

TEST(CollectiveInput, SumsAreExactInEveryDtypeAndOrder) {
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16, DType::e4m3, DType::e5m2})
    for (const int ranks : {1, 2, 3, 7, 16, 64, 255, 256}) {
      if (ranks > most_exact_ranks(dtype)) continue;
      const CollectiveProblem problem = problem_of(Collective::all_reduce, ranks, 500, dtype);
      bool all_zero = true;
      for (std::int64_t index = 0; index < 500; ++index) {
        double sum = 0, magnitudes = 0;
        for (int rank = 0; rank < ranks; ++rank) {
          const double value = collective_input(problem, rank, index, 5);
          ASSERT_EQ(value, std::nearbyint(value));
          ASSERT_EQ(value, round_to(dtype, value));
          sum += value;
          magnitudes += std::abs(value);
        }
        all_zero &= magnitudes == 0;
        // So every partial sum, in any order, is an integer that the dtype holds.
        ASSERT_LE(magnitudes, std::min(256.0, std::ldexp(1.0, info(dtype).significand_bits)));
        ASSERT_EQ(sum, collective_expected(problem, 0, index, 5));
      }
      EXPECT_FALSE(all_zero) << name(dtype) << " " << ranks;
    }
}

TEST(CollectiveInput, DependsOnRankIndexAndSeed) {
  const CollectiveProblem two = problem_of(Collective::all_reduce, 2);
  int same_rank = 0, same_index = 0, same_seed = 0;
  for (std::int64_t index = 0; index < 10000; ++index) {
    same_rank += collective_input(two, 0, index, 1) == collective_input(two, 1, index, 1);
    same_index += collective_input(two, 0, index, 1) == collective_input(two, 0, index + 1, 1);
    same_seed += collective_input(two, 0, index, 1) == collective_input(two, 0, index, 2);
  }
  // 257 values, so about 39 coincidences in 10000; 100 is ten standard deviations away.
  EXPECT_LT(same_rank, 100);
  EXPECT_LT(same_index, 100);
  EXPECT_LT(same_seed, 100);
}

TEST(CollectiveInput, TakesEveryValueOfItsRange) {
  const CollectiveProblem many = problem_of(Collective::all_reduce, 64);
  std::set<double> seen;
  for (std::int64_t index = 0; index < 20000; ++index) seen.insert(collective_input(many, 1, index, 3));
  EXPECT_EQ(seen.size(), 9u);  // -4 .. 4
  EXPECT_EQ(*seen.begin(), -4);
  EXPECT_EQ(*seen.rbegin(), 4);
}

TEST(CollectiveExpected, SaysWhatEveryRankGets) {
  const auto input = [](const CollectiveProblem& problem, int rank, std::int64_t i) {
    return collective_input(problem, rank, i, 7);
  };
  const CollectiveProblem gather = problem_of(Collective::all_gather, 3, 30);
  EXPECT_EQ(collective_expected(gather, 0, 14, 7), input(gather, 1, 4));
  EXPECT_EQ(collective_expected(gather, 2, 14, 7), input(gather, 1, 4));
  const CollectiveProblem scatter = problem_of(Collective::reduce_scatter, 3, 30);
  EXPECT_EQ(collective_expected(scatter, 2, 3, 7),
            input(scatter, 0, 23) + input(scatter, 1, 23) + input(scatter, 2, 23));
  const CollectiveProblem all_to_all = problem_of(Collective::all_to_all, 3, 30);
  EXPECT_EQ(collective_expected(all_to_all, 2, 14, 7), input(all_to_all, 1, 24));
  CollectiveProblem broadcast = problem_of(Collective::broadcast, 3, 30);
  broadcast.root = 1;
  EXPECT_EQ(collective_expected(broadcast, 2, 14, 7), input(broadcast, 1, 14));
  const CollectiveProblem send = problem_of(Collective::send_recv, 3, 30);
  EXPECT_EQ(collective_expected(send, 0, 14, 7), input(send, 2, 14));
  EXPECT_EQ(collective_expected(send, 2, 14, 7), input(send, 1, 14));
}

TEST(CollectiveProblem, SizesAndBusFactorsAreThoseOfNcclTests) {
  CollectiveProblem problem = problem_of(Collective::all_reduce, 1, 10, DType::bf16);
  EXPECT_EQ(problem.bytes(), 20);
  EXPECT_EQ(problem.bus_factor(), 0);
  EXPECT_EQ(problem_of(Collective::all_reduce, 2).bus_factor(), 1);
  EXPECT_EQ(problem_of(Collective::all_reduce, 8).bus_factor(), 1.75);
  for (const Collective parts : {Collective::all_gather, Collective::reduce_scatter, Collective::all_to_all})
    EXPECT_EQ(problem_of(parts, 8).bus_factor(), 0.875) << name(parts);
  for (const Collective whole : {Collective::broadcast, Collective::send_recv})
    EXPECT_EQ(problem_of(whole, 8).bus_factor(), 1) << name(whole);
  EXPECT_EQ(problem_of(Collective::all_gather, 4, 32).input_count(), 8);
  EXPECT_EQ(problem_of(Collective::all_gather, 4, 32).output_count(), 32);
  EXPECT_EQ(problem_of(Collective::reduce_scatter, 4, 32).input_count(), 32);
  EXPECT_EQ(problem_of(Collective::reduce_scatter, 4, 32).output_count(), 8);
  EXPECT_EQ(problem_of(Collective::all_to_all, 4, 32).input_count(), 32);
}

TEST(CollectiveKernels, OursComeFirstAndNamesAreUnique) {
  const auto& kernels = collective_kernels();
  ASSERT_GE(kernels.size(), 2u);
  EXPECT_EQ(kernels[0].name, "shm_ring");
  EXPECT_EQ(kernels[1].name, "shm_window");
  EXPECT_FALSE(kernels[0].vendor || kernels[1].vendor);
  EXPECT_TRUE(kernels[1].make_window);
  std::set<std::string> names;
  for (const auto& kernel : kernels) names.insert(kernel.name);
  EXPECT_EQ(names.size(), kernels.size());
}

TEST(CollectiveKernels, SayWhyTheyCannotRun) {
  CollectiveProblem alone;
  Target cpu;
  for (const auto& kernel : collective_kernels()) {
    if (kernel.name == "openmpi" || kernel.name == "mpich") {
      EXPECT_THAT(kernel.supports(alone, cpu).reason, ::testing::HasSubstr("mpirun -n N assay run"));
    }
    if (kernel.name == "nccl") {
      EXPECT_FALSE(kernel.supports(alone, cpu).ok());
      CollectiveProblem processes;
      processes.peers.ranks = 2;
      Target gpu;
      gpu.device = Device::gpu;
      EXPECT_THAT(kernel.supports(processes, gpu).reason, ::testing::HasSubstr("one from each of an MPI launcher's"));
      CollectiveProblem ring = alone;
      ring.algorithm = "ring";
      EXPECT_THAT(kernel.supports(ring, gpu).reason, ::testing::HasSubstr("algo=auto"));
      CollectiveProblem narrow = alone;  // the library may be missing here, and then that is the reason
      narrow.dtype = DType::e4m3;
      gpu.compute_capability = 80;
      EXPECT_THAT(kernel.supports(narrow, gpu).reason,
                  ::testing::AnyOf(::testing::HasSubstr("sm_90"), ::testing::HasSubstr("NCCL ")));
    }
  }
}

}  // namespace
}  // namespace assay
