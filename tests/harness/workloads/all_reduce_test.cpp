// The all-reduce workload in one process: its kernels, and what it says of kernels that are wrong.
#include "harness/workloads/all_reduce.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "harness/backends/backend.h"
#include "harness/communicators/communicator.h"
#include "harness/core/error.h"

namespace assay {
namespace {

using ::testing::HasSubstr;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

Case case_of(const std::string& kernel, DType dtype, std::int64_t bytes, std::int64_t ranks,
             const std::string& placement) {
  Case point;
  point.workload = "all_reduce";
  point.kernel = kernel;
  point.dtype = dtype;
  point.axes = {{"bytes", bytes}, {"ranks", ranks}, {"placement", placement}};
  point.cache = Cache::hot;
  return point;
}

using Fault = void (*)(const AllReduceProblem&, const AllReduceBuffers&, int launch);

// Sums one element after the other, rank after rank: right.
void right(const AllReduceProblem& problem, const AllReduceBuffers& buffers, int) {
  for (std::int64_t i = 0; i < problem.count; ++i) {
    float sum = 0;
    for (const void* input : buffers.input) sum += float(load_element(problem.dtype, input, i));
    for (void* output : buffers.output) store_element(problem.dtype, output, i, sum);
  }
}

class PlantedOperation final : public AllReduceOperation {
 public:
  PlantedOperation(const AllReduceProblem& problem, Fault fault) : problem_(problem), fault_(fault) {}
  void launch(const AllReduceBuffers& buffers, Stream) override { fault_(problem_, buffers, launches_++); }

 private:
  AllReduceProblem problem_;
  Fault fault_;
  int launches_ = 0;
};

std::vector<AllReduceKernel> table_of(Fault fault) {
  AllReduceKernel kernel;
  kernel.name = "planted";
  kernel.dtypes = {DType::f32, DType::bf16};
  kernel.supports = [](const AllReduceProblem&, const Target&) { return Support::yes(); };
  kernel.prepare = [fault](const AllReduceProblem& problem, const Target&, const std::vector<AllReduceBuffers>&,
                           Stream) { return std::make_unique<PlantedOperation>(problem, fault); };
  return {kernel};
}

// Prepares the case, launches every set `launches` times and checks.
Check run(const std::vector<AllReduceKernel>& kernels, const Case& point, int launches) {
  const WorkloadKind kind = all_reduce_workload(kernels);
  const auto backend = make_cpu_backend(2);
  const auto communicator = make_single_communicator();
  WorkloadContext context{*backend, *communicator};
  EXPECT_EQ(kind.validate(point), "");
  EXPECT_EQ(kind.supports(point, backend->target(), *communicator).reason, "");
  const auto workload = kind.make(point, context);
  for (int i = 0; i < launches; ++i)
    for (int set = 0; set < workload->sets(); ++set) workload->launch(set);
  backend->synchronize();
  return workload->check(std::vector<std::int64_t>(std::size_t(workload->sets()), launches));
}

Check run_planted(Fault fault, const std::string& placement, int launches = 3, std::int64_t bytes = 40000) {
  return run(table_of(fault), case_of("planted", DType::f32, bytes, 3, placement), launches);
}

TEST(AllReduceWorkload, OurKernelIsRightInEveryPlacementTypeAndSize) {
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const char* placement : {"out_of_place", "in_place"})
      for (const std::int64_t ranks : {0, 1, 2, 3, 4})
        for (const std::int64_t elements : {1, 1009, 300007}) {
          const Case point = case_of("shm_ring", dtype, elements * std::int64_t(size_bytes(dtype)), ranks, placement);
          const Check check = run(all_reduce_kernels(), point, 2);
          EXPECT_TRUE(check.ok()) << point.id() << ": " << check.describe();
          // Every element of every rank, of the timed buffers and of the launch after them.
          EXPECT_EQ(check.elements, 2 * elements * (ranks ? ranks : 2)) << point.id();
          EXPECT_EQ(check.error_over_allowed, 0);
        }
}

TEST(AllReduceWorkload, HundredsOfLaunchesInPlaceStayExact) {
  const Check check = run(all_reduce_kernels(), case_of("shm_ring", DType::bf16, 2048, 3, "in_place"), 600);
  EXPECT_TRUE(check.ok()) << check.describe();
}

TEST(AllReduceWorkload, ColdCasesRotateAndCheckEverySet) {
  Case point = case_of("shm_ring", DType::f32, 4 << 20, 2, "out_of_place");
  point.cache = Cache::cold;
  const WorkloadKind kind = all_reduce_workload(all_reduce_kernels());
  const auto backend = make_cpu_backend(2);
  const auto communicator = make_single_communicator();
  WorkloadContext context{*backend, *communicator};
  const auto workload = kind.make(point, context);
  const int sets = workload->sets();
  EXPECT_GE(sets, 2);
  EXPECT_GE(std::size_t(sets) * kind.set_bytes(point), 2 * backend->last_level_cache_bytes());
  for (int set = 0; set < sets; ++set) workload->launch(set);
  const Check check = workload->check(std::vector<std::int64_t>(std::size_t(sets), 1));
  EXPECT_TRUE(check.ok()) << check.describe();
  EXPECT_EQ(check.elements, (sets + 1) * 2 * (1 << 20));
  EXPECT_TRUE(workload->probe_placement());
}

TEST(AllReduceWorkload, ZerosAreAChoice) {
  Case point = case_of("shm_ring", DType::f32, 4096, 2, "out_of_place");
  point.data = Fill::zeros;
  EXPECT_TRUE(run(all_reduce_kernels(), point, 1).ok());
  EXPECT_FALSE(run(table_of([](const AllReduceProblem&, const AllReduceBuffers&, int) {}),
                   case_of("planted", DType::f32, 4096, 2, "out_of_place"), 1)
                   .ok());
}

TEST(AllReducePlanted, TheHarnessItselfAcceptsARightKernel) {
  for (const char* placement : {"out_of_place", "in_place"}) {
    const Check check = run_planted(right, placement);
    EXPECT_TRUE(check.ok()) << check.describe();
  }
}

TEST(AllReducePlanted, AnOutputNeverWrittenIsWrong) {
  const Check check = run_planted([](const AllReduceProblem&, const AllReduceBuffers&, int) {}, "out_of_place");
  EXPECT_FALSE(check.ok());
  EXPECT_EQ(check.wrong, check.elements);
  EXPECT_TRUE(std::isnan(check.got));
  EXPECT_FALSE(run_planted([](const AllReduceProblem&, const AllReduceBuffers&, int) {}, "in_place").ok());
}

TEST(AllReducePlanted, OneElementOffByOneIsNamedByRankAndIndex) {
  for (const char* placement : {"out_of_place", "in_place"}) {
    const Check check = run_planted(
        [](const AllReduceProblem& problem, const AllReduceBuffers& buffers, int launch) {
          right(problem, buffers, launch);
          static_cast<float*>(buffers.output[1])[7777] += 1;
        },
        placement);
    EXPECT_FALSE(check.ok());
    EXPECT_THAT(check.where, HasSubstr("element 7777, set 0, timed"));
    if (std::string(placement) == "in_place") continue;  // there the next launch spreads the error to all ranks
    EXPECT_THAT(check.where, HasSubstr("output of rank 1"));
    EXPECT_EQ(check.wrong, 2);  // in the timed buffers, and in the launch after them
  }
}

TEST(AllReducePlanted, ANanIsWrong) {
  const Check check = run_planted(
      [](const AllReduceProblem& problem, const AllReduceBuffers& buffers, int launch) {
        right(problem, buffers, launch);
        static_cast<float*>(buffers.output[2])[0] = kNaN;
      },
      "out_of_place");
  EXPECT_FALSE(check.ok());
  EXPECT_THAT(check.where, HasSubstr("rank 2, element 0"));
}

TEST(AllReducePlanted, AKernelThatIsRightOnceAndThenDoesNothingIsWrong) {
  const Fault lazy = [](const AllReduceProblem& problem, const AllReduceBuffers& buffers, int launch) {
    if (launch == 0) right(problem, buffers, launch);
  };
  for (const char* placement : {"out_of_place", "in_place"}) {
    const Check check = run_planted(lazy, placement);
    EXPECT_FALSE(check.ok()) << placement;
    EXPECT_THAT(check.where, HasSubstr("launched once more"));
  }
}

TEST(AllReducePlanted, AKernelThatFailsOnlyWhileTimedIsWrong) {
  // Three sets of launches are timed; the fourth, alone, is right.
  const Fault flaky = [](const AllReduceProblem& problem, const AllReduceBuffers& buffers, int launch) {
    right(problem, buffers, launch);
    if (launch < 3) static_cast<float*>(buffers.output[0])[1] = 1000;
  };
  for (const char* placement : {"out_of_place", "in_place"}) {
    const Check check = run_planted(flaky, placement);
    EXPECT_FALSE(check.ok()) << placement;
    EXPECT_THAT(check.where, HasSubstr("rank 0, element 1, set 0, timed"));
  }
}

TEST(AllReducePlanted, ARankLeftOutIsWrong) {
  const Fault two_of_three = [](const AllReduceProblem& problem, const AllReduceBuffers& buffers, int launch) {
    AllReduceBuffers fewer = buffers;
    fewer.input.pop_back();
    right(problem, fewer, launch);
  };
  const Check check = run_planted(two_of_three, "out_of_place");
  EXPECT_FALSE(check.ok());
  EXPECT_GT(check.wrong, check.elements * 9 / 10);  // except where the missing rank's input is 0
}

TEST(AllReducePlanted, AWritePastTheEndIsWrong) {
  const Check check = run_planted(
      [](const AllReduceProblem& problem, const AllReduceBuffers& buffers, int launch) {
        right(problem, buffers, launch);
        static_cast<float*>(buffers.output[1])[problem.count] = 0;
      },
      "out_of_place");
  EXPECT_FALSE(check.ok());
}

TEST(AllReduceKind, ValidatesAndCounts) {
  const WorkloadKind kind = all_reduce_workload(all_reduce_kernels());
  EXPECT_THAT(kind.validate(case_of("shm_ring", DType::f32, 6, 0, "in_place")), HasSubstr("not a multiple of 4"));
  EXPECT_EQ(kind.validate(case_of("shm_ring", DType::bf16, 6, 0, "in_place")), "");
  const Case four = case_of("shm_ring", DType::f32, 1000000, 4, "out_of_place");
  const Work work = kind.work(four, 1);
  EXPECT_EQ(work.bytes, 1e6);
  EXPECT_EQ(work.flops, 0);
  EXPECT_EQ(work.bus_factor, 1.5);
  EXPECT_GE(kind.set_bytes(four), 8000000u);
  const Case all = case_of("shm_ring", DType::f32, 1000000, 0, "in_place");
  EXPECT_EQ(kind.work(all, 1).bus_factor, 1) << "two threads";
  EXPECT_EQ(kind.work(all, 8).bus_factor, 1.75) << "the launcher's processes";
}

// Several processes as far as supports() sees them.
class Processes final : public Communicator {
 public:
  explicit Processes(int size) : size_(size) {}
  int rank() const override { return 0; }
  int size() const override { return size_; }
  void barrier() override {}
  double maximum(double value) override { return value; }
  double broadcast(double value) override { return value; }
  std::string broadcast(const std::string& text) override { return text; }
  std::vector<std::string> gather(const std::string& text) override {
    return std::vector<std::string>(std::size_t(size_), text);
  }
  std::string group_name() const override { return "processes"; }

 private:
  int size_;
};

TEST(AllReduceKind, RanksMustBeTheLaunchersProcesses) {
  const WorkloadKind kind = all_reduce_workload(all_reduce_kernels());
  Target cpu;
  const auto reason = [&](std::int64_t ranks, int processes) {
    return kind.supports(case_of("shm_ring", DType::f32, 64, ranks, "in_place"), cpu, Processes(processes)).reason;
  };
  EXPECT_EQ(reason(0, 4), "");
  EXPECT_EQ(reason(4, 4), "");
  EXPECT_EQ(reason(4, 1), "") << "threads";
  EXPECT_THAT(reason(3, 4), HasSubstr("ranks=3, but the launcher started 4 processes"));
  EXPECT_THAT(reason(200, 1), HasSubstr("at most 64 ranks"));
}

TEST(AllReduceKind, SaysWhyAKernelDoesNotRunHere) {
  const WorkloadKind kind = all_reduce_workload(all_reduce_kernels());
  const auto alone = make_single_communicator();
  Target cpu;
  for (const KernelSpec& spec : kind.kernels) {
    if (!spec.vendor) continue;
    const Case point = case_of(spec.name, DType::f32, 64, 0, "out_of_place");
    EXPECT_NE(kind.supports(point, cpu, *alone).reason, "") << spec.name;
  }
  EXPECT_THAT(kind.supports(case_of("none", DType::f32, 64, 0, "in_place"), cpu, *alone).reason,
              HasSubstr("no kernel none"));
  EXPECT_THAT(kind.supports(case_of("shm_ring", DType::f16, 64, 0, "in_place"), cpu, *alone).reason,
              HasSubstr("no f16"));
}

}  // namespace
}  // namespace assay
