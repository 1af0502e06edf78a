// The workloads of collectives in one process: its kernels, what they count and what they refuse.
#include <gmock/gmock.h>

#include <tuple>

#include "tests/harness/workloads/collectives_testing.h"
#include "tests/harness/workloads/processes.h"

namespace assay {
namespace {

using ::testing::HasSubstr;

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

TEST(CollectiveWorkload, TellsHowLongPreparingTook) {
  const WorkloadKind kind = collective_workload(Collective::all_reduce, collective_kernels());
  const auto backend = make_cpu_backend(1);
  const auto alone = make_single_communicator();
  WorkloadContext context{*backend, *alone};
  const auto details = kind.make(case_of("shm_ring", DType::f32, 64, 2, "in_place"), context)->details();
  ASSERT_EQ(details.size(), 1u);
  EXPECT_EQ(details[0].name, "prepare_seconds");
  EXPECT_GT(std::get<double>(details[0].value), 0);
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
  for (const auto& [axis, word, reason] : {std::tuple("launch", "graph", "CUDA graphs are launched on GPUs"),
                                           std::tuple("nvls", "off", "no switch to reduce in")}) {
    Case point = case_of("shm_ring", DType::f32, 64, 0, "in_place");
    point.axes.push_back({axis, std::string(word)});
    EXPECT_THAT(kind.supports(point, cpu, *alone).reason, HasSubstr(reason));
  }
  EXPECT_THAT(kind.supports(case_of("none", DType::f32, 64, 0, "in_place"), cpu, *alone).reason,
              HasSubstr("no kernel none"));
  EXPECT_THAT(kind.supports(case_of("shm_ring", DType::e4m3, 64, 0, "in_place"), cpu, *alone).reason,
              HasSubstr("no e4m3"));
}

}  // namespace
}  // namespace assay
