// The workloads of collectives in one process: its kernels, and what it says of kernels that are wrong.
#include "harness/workloads/collectives.h"

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

using Fault = void (*)(const CollectiveProblem&, const CollectiveBuffers&, int launch);

// Sums one element after the other, rank after rank: right.
void right(const CollectiveProblem& problem, const CollectiveBuffers& buffers, int) {
  for (std::int64_t i = 0; i < problem.count; ++i) {
    float sum = 0;
    for (const void* input : buffers.input) sum += float(load_element(problem.dtype, input, i));
    for (void* output : buffers.output) store_element(problem.dtype, output, i, sum);
  }
}

class PlantedOperation final : public CollectiveOperation {
 public:
  PlantedOperation(const CollectiveProblem& problem, Fault fault) : problem_(problem), fault_(fault) {}
  void launch(const CollectiveBuffers& buffers, Stream) override { fault_(problem_, buffers, launches_++); }

 private:
  CollectiveProblem problem_;
  Fault fault_;
  int launches_ = 0;
};

std::vector<CollectiveKernel> table_of(Fault fault) {
  CollectiveKernel kernel;
  kernel.name = "planted";
  kernel.dtypes = {DType::f32, DType::bf16};
  kernel.supports = [](const CollectiveProblem&, const Target&) { return Support::yes(); };
  kernel.prepare = [fault](const CollectiveProblem& problem, const Target&, const std::vector<CollectiveBuffers>&,
                           Stream) { return std::make_unique<PlantedOperation>(problem, fault); };
  return {kernel};
}

// Prepares the case, launches every set `launches` times and checks.
Check run(const std::vector<CollectiveKernel>& kernels, const Case& point, int launches,
          Collective operation = Collective::all_reduce) {
  const WorkloadKind kind = collective_workload(operation, kernels);
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

TEST(CollectiveWorkload, OurKernelIsRightInEveryPlacementTypeAndSize) {
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const char* placement : {"out_of_place", "in_place"})
      for (const std::int64_t ranks : {0, 1, 2, 3, 4})
        for (const std::int64_t elements : {1, 1009, 300007}) {
          const Case point = case_of("shm_ring", dtype, elements * std::int64_t(size_bytes(dtype)), ranks, placement);
          const Check check = run(collective_kernels(), point, 2);
          EXPECT_TRUE(check.ok()) << point.id() << ": " << check.describe();
          // Every element of every rank, of the timed buffers and of the launch after them.
          EXPECT_EQ(check.elements, 2 * elements * (ranks ? ranks : 2)) << point.id();
          EXPECT_EQ(check.error_over_allowed, 0);
        }
}

TEST(CollectiveWorkload, EveryOperationIsRightInOwnBuffersAndInAWindow) {
  for (const CollectiveInfo& op : kCollectives)
    for (const char* placement : {"out_of_place", "in_place"})
      for (const std::int64_t ranks : {2, 3, 4})
        for (const std::int64_t bytes : {64, 40000, 1200000})
          for (const bool in_window : {false, true}) {
            if (!op.has_in_place && std::string(placement) == "in_place") continue;
            if (ranks == 4 && bytes > 100000) continue;
            Case point = case_of(in_window ? "shm_window" : "shm_ring", DType::bf16, bytes, ranks, placement);
            point.workload = op.name;
            if (in_window) point.axes.push_back({"buffers", std::string("window")});
            const Check check = run(collective_kernels(), point, 3, op.operation);
            EXPECT_TRUE(check.ok()) << point.id() << ": " << check.describe();
            const std::int64_t count = bytes / 2, output = op.output_is_part ? count / ranks
                                                           : op.input_is_part || op.operation == Collective::all_to_all
                                                               ? count / ranks * ranks
                                                               : count;
            EXPECT_EQ(check.elements, 2 * output * ranks) << point.id();
            EXPECT_EQ(check.digest.size(), std::size_t(17 * ranks - 1)) << "one digest a rank: " << check.digest;
          }
}

TEST(CollectiveWorkload, HundredsOfReduceScattersInPlaceStayExact) {
  for (const int ranks : {2, 3, 4}) {
    const Case point = case_of("shm_ring", DType::bf16, 2400, ranks, "in_place");
    const Check check = run(collective_kernels(), point, 600, Collective::reduce_scatter);
    EXPECT_TRUE(check.ok()) << check.describe();
  }
}

TEST(CollectiveWorkload, ABroadcastComesFromItsRoot) {
  Case point = case_of("shm_ring", DType::f32, 4000, 3, "out_of_place");
  point.axes.push_back({"root", std::int64_t(2)});
  const Check check = run(collective_kernels(), point, 2, Collective::broadcast);
  EXPECT_TRUE(check.ok()) << check.describe();
}

TEST(CollectiveWorkload, HundredsOfLaunchesInPlaceStayExact) {
  const Check check = run(collective_kernels(), case_of("shm_ring", DType::bf16, 2048, 3, "in_place"), 600);
  EXPECT_TRUE(check.ok()) << check.describe();
}

TEST(CollectiveWorkload, ColdCasesRotateAndCheckEverySet) {
  Case point = case_of("shm_ring", DType::f32, 4 << 20, 2, "out_of_place");
  point.cache = Cache::cold;
  const WorkloadKind kind = collective_workload(Collective::all_reduce, collective_kernels());
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

TEST(CollectiveWorkload, ZerosAreAChoice) {
  Case point = case_of("shm_ring", DType::f32, 4096, 2, "out_of_place");
  point.data = Fill::zeros;
  EXPECT_TRUE(run(collective_kernels(), point, 1).ok());
  EXPECT_FALSE(run(table_of([](const CollectiveProblem&, const CollectiveBuffers&, int) {}),
                   case_of("planted", DType::f32, 4096, 2, "out_of_place"), 1)
                   .ok());
}

TEST(CollectivePlanted, TheHarnessItselfAcceptsARightKernel) {
  for (const char* placement : {"out_of_place", "in_place"}) {
    const Check check = run_planted(right, placement);
    EXPECT_TRUE(check.ok()) << check.describe();
  }
}

TEST(CollectivePlanted, AnOutputNeverWrittenIsWrong) {
  const Check check = run_planted([](const CollectiveProblem&, const CollectiveBuffers&, int) {}, "out_of_place");
  EXPECT_FALSE(check.ok());
  EXPECT_EQ(check.wrong, check.elements);
  EXPECT_TRUE(std::isnan(check.got));
  EXPECT_FALSE(run_planted([](const CollectiveProblem&, const CollectiveBuffers&, int) {}, "in_place").ok());
}

TEST(CollectivePlanted, OneElementOffByOneIsNamedByRankAndIndex) {
  for (const char* placement : {"out_of_place", "in_place"}) {
    const Check check = run_planted(
        [](const CollectiveProblem& problem, const CollectiveBuffers& buffers, int launch) {
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

TEST(CollectivePlanted, ANanIsWrong) {
  const Check check = run_planted(
      [](const CollectiveProblem& problem, const CollectiveBuffers& buffers, int launch) {
        right(problem, buffers, launch);
        static_cast<float*>(buffers.output[2])[0] = kNaN;
      },
      "out_of_place");
  EXPECT_FALSE(check.ok());
  EXPECT_THAT(check.where, HasSubstr("rank 2, element 0"));
}

TEST(CollectivePlanted, AKernelThatIsRightOnceAndThenDoesNothingIsWrong) {
  const Fault lazy = [](const CollectiveProblem& problem, const CollectiveBuffers& buffers, int launch) {
    if (launch == 0) right(problem, buffers, launch);
  };
  for (const char* placement : {"out_of_place", "in_place"}) {
    const Check check = run_planted(lazy, placement);
    EXPECT_FALSE(check.ok()) << placement;
    EXPECT_THAT(check.where, HasSubstr("launched once more"));
  }
}

TEST(CollectivePlanted, AKernelThatFailsOnlyWhileTimedIsWrong) {
  // Three sets of launches are timed; the fourth, alone, is right.
  const Fault flaky = [](const CollectiveProblem& problem, const CollectiveBuffers& buffers, int launch) {
    right(problem, buffers, launch);
    if (launch < 3) static_cast<float*>(buffers.output[0])[1] = 1000;
  };
  for (const char* placement : {"out_of_place", "in_place"}) {
    const Check check = run_planted(flaky, placement);
    EXPECT_FALSE(check.ok()) << placement;
    EXPECT_THAT(check.where, HasSubstr("rank 0, element 1, set 0, timed"));
  }
}

TEST(CollectivePlanted, ARankLeftOutIsWrong) {
  const Fault two_of_three = [](const CollectiveProblem& problem, const CollectiveBuffers& buffers, int launch) {
    CollectiveBuffers fewer = buffers;
    fewer.input.pop_back();
    right(problem, fewer, launch);
  };
  const Check check = run_planted(two_of_three, "out_of_place");
  EXPECT_FALSE(check.ok());
  EXPECT_GT(check.wrong, check.elements * 9 / 10);  // except where the missing rank's input is 0
}

TEST(CollectivePlanted, AWritePastTheEndIsWrong) {
  const Check check = run_planted(
      [](const CollectiveProblem& problem, const CollectiveBuffers& buffers, int launch) {
        right(problem, buffers, launch);
        static_cast<float*>(buffers.output[1])[problem.count] = 0;
      },
      "out_of_place");
  EXPECT_FALSE(check.ok());
}

// Every operation, element by element, from the definition in the contract; then one planted fault.
class PlantedAny final : public CollectiveOperation {
 public:
  explicit PlantedAny(const CollectiveProblem& problem) : problem_(problem) {}
  void launch(const CollectiveBuffers& buffers, Stream) override {
    const int ranks = problem_.peers.ranks;
    const std::int64_t part = problem_.part();
    const auto in = [&](int rank, std::int64_t i) {
      return load_element(problem_.dtype, buffers.input[std::size_t(rank)], i);
    };
    std::vector<std::vector<double>> outputs(static_cast<std::size_t>(ranks));
    for (int rank = 0; rank < ranks; ++rank)
      for (std::int64_t i = 0; i < problem_.output_count(); ++i) {
        double value = 0;
        switch (problem_.operation) {
          case Collective::all_reduce:
            for (int r = 0; r < ranks; ++r) value += in(r, i);
            break;
          case Collective::reduce_scatter:
            for (int r = 0; r < ranks; ++r) value += in(r, rank * part + i);
            break;
          case Collective::all_gather:
            value = in(int(i / part), i % part);
            break;
          case Collective::all_to_all:
            value = in(int(i / part), rank * part + i % part);
            break;
          case Collective::broadcast:
            value = in(problem_.root, i);
            break;
          case Collective::send_recv:
            value = in((rank + ranks - 1) % ranks, i);
            break;
        }
        outputs[std::size_t(rank)].push_back(value);
      }
    outputs[1][5] += 1;  // the fault
    for (int rank = 0; rank < ranks; ++rank)
      for (std::int64_t i = 0; i < problem_.output_count(); ++i)
        store_element(problem_.dtype, buffers.output[std::size_t(rank)], i, outputs[std::size_t(rank)][std::size_t(i)]);
  }

 private:
  CollectiveProblem problem_;
};

TEST(CollectivePlanted, OneElementOffByOneIsNamedExactlyInEveryOperation) {
  std::vector<CollectiveKernel> kernels = table_of(right);
  kernels[0].prepare = [](const CollectiveProblem& problem, const Target&, const std::vector<CollectiveBuffers>&,
                          Stream) { return std::make_unique<PlantedAny>(problem); };
  for (const CollectiveInfo& op : kCollectives) {
    const Case point = case_of("planted", DType::f32, 1200, 3, "out_of_place");
    const Check check = run(kernels, point, 2, op.operation);
    EXPECT_FALSE(check.ok()) << op.name;
    EXPECT_EQ(check.where, "output of rank 1, element 5, set 0, timed") << op.name;
    EXPECT_EQ(check.got, check.expected + 1) << op.name;
    EXPECT_EQ(check.wrong, 2) << op.name << ": in the timed buffers, and in the launch after them";
  }
}

TEST(CollectivePlanted, OutputsThatAreEqualButNotTheSameBytesAreWrong) {
  const Fault minus_zero = [](const CollectiveProblem& problem, const CollectiveBuffers& buffers, int launch) {
    right(problem, buffers, launch);
    auto* output = static_cast<float*>(buffers.output[1]);
    for (std::int64_t i = 0; i < problem.count; ++i)
      if (output[i] == 0) output[i] = -0.0f;
  };
  const Check check = run_planted(minus_zero, "out_of_place");
  EXPECT_FALSE(check.ok());
  EXPECT_THAT(check.outside, HasSubstr("the outputs of rank 1 are other bytes than rank 0's"));
}

TEST(CollectiveKind, ValidatesAndCounts) {
  const WorkloadKind kind = collective_workload(Collective::all_reduce, collective_kernels());
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

TEST(CollectiveKind, CountsAsNcclTestsDoes) {
  const auto work = [](Collective operation, std::int64_t bytes, std::int64_t ranks) {
    return collective_workload(operation, collective_kernels())
        .work(case_of("shm_ring", DType::f32, bytes, ranks, "out_of_place"), 1);
  };
  EXPECT_EQ(work(Collective::all_gather, 1200, 4).bytes, 1200);
  EXPECT_EQ(work(Collective::all_gather, 1200, 4).bus_factor, 0.75);
  EXPECT_EQ(work(Collective::reduce_scatter, 1000, 3).bytes, 996) << "rounded down to equal parts";
  EXPECT_EQ(work(Collective::broadcast, 1000, 3).bytes, 1000);
  EXPECT_EQ(work(Collective::broadcast, 1000, 3).bus_factor, 1);
  EXPECT_EQ(work(Collective::send_recv, 1000, 3).bus_factor, 1);
}

TEST(CollectiveKind, RefusesWhatHasNoMeaning) {
  Target cpu;
  const auto alone = make_single_communicator();
  const auto reason = [&](Collective operation, std::int64_t bytes, std::int64_t ranks, CaseAxis axis) {
    Case point = case_of("shm_ring", DType::f32, bytes, ranks, "out_of_place");
    point.axes.push_back(std::move(axis));
    return collective_workload(operation, collective_kernels()).supports(point, cpu, *alone).reason;
  };
  EXPECT_EQ(reason(Collective::all_gather, 16, 4, {"buffers", std::string("user")}), "");
  EXPECT_THAT(reason(Collective::all_gather, 8, 4, {"buffers", std::string("user")}),
              HasSubstr("less than one f32 for each of 4 ranks"));
  EXPECT_THAT(reason(Collective::broadcast, 8, 2, {"root", std::int64_t(2)}), HasSubstr("root=2, but there are 2"));
  EXPECT_THAT(reason(Collective::all_reduce, 8, 2, {"buffers", std::string("window")}), HasSubstr("buffers=user"));
  const WorkloadKind all_to_all = collective_workload(Collective::all_to_all, collective_kernels());
  EXPECT_EQ(all_to_all.axes[2].words, std::vector<std::string>{"out_of_place"});
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

TEST(CollectiveKind, RanksMustBeTheLaunchersProcesses) {
  const WorkloadKind kind = collective_workload(Collective::all_reduce, collective_kernels());
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

TEST(CollectiveKind, SaysWhyAKernelDoesNotRunHere) {
  const WorkloadKind kind = collective_workload(Collective::all_reduce, collective_kernels());
  const auto alone = make_single_communicator();
  Target cpu;
  for (const KernelSpec& spec : kind.kernels) {
    if (!spec.vendor) continue;
    const Case point = case_of(spec.name, DType::f32, 64, 0, "out_of_place");
    EXPECT_NE(kind.supports(point, cpu, *alone).reason, "") << spec.name;
  }
  EXPECT_THAT(kind.supports(case_of("none", DType::f32, 64, 0, "in_place"), cpu, *alone).reason,
              HasSubstr("no kernel none"));
  EXPECT_THAT(kind.supports(case_of("shm_ring", DType::e4m3, 64, 0, "in_place"), cpu, *alone).reason,
              HasSubstr("no e4m3"));
}

}  // namespace
}  // namespace assay
