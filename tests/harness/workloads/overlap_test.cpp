// A product and an all-reduce at once: both are checked, whichever is wrong, and each alone is what it is.
#include "harness/workloads/overlap.h"

#include <gmock/gmock.h>

#include "harness/backends/side_thread.h"
#include "harness/workloads/gemm.h"
#include "tests/harness/workloads/collectives_testing.h"

namespace assay {
namespace {

using ::testing::HasSubstr;

Case overlap_case(const std::string& part, const std::string& kernel = "cpu_blocked+shm_ring") {
  Case point;
  point.workload = "overlap";
  point.kernel = kernel;
  point.axes = {
      {"layout", std::string("tn")}, {"m", std::int64_t(48)},    {"n", std::int64_t(40)}, {"k", std::int64_t(56)},
      {"bytes", std::int64_t(4000)}, {"ranks", std::int64_t(2)}, {"part", part}};
  point.cache = Cache::hot;
  return point;
}

Check run_overlap(const Case& point, const WorkloadKind& gemm, const WorkloadKind& all_reduce) {
  const WorkloadKind kind = overlap_workload(gemm, all_reduce);
  const auto backend = make_cpu_backend(1);
  const auto communicator = make_single_communicator();
  WorkloadContext context{*backend, *communicator};
  EXPECT_EQ(kind.validate(point), "");
  EXPECT_EQ(kind.supports(point, backend->target(), *communicator).reason, "");
  const auto workload = kind.make(point, context);
  std::vector<std::int64_t> launches(std::size_t(workload->sets()), 3);
  for (int i = 0; i < 3; ++i)
    for (int set = 0; set < workload->sets(); ++set) workload->launch(set);
  return workload->check(launches);
}

const WorkloadKind& right_gemm() {
  static const WorkloadKind kind = gemm_workload(gemm_kernels());
  return kind;
}
const WorkloadKind& right_all_reduce() {
  static const WorkloadKind kind = collective_workload(Collective::all_reduce, collective_kernels());
  return kind;
}

TEST(Overlap, EachPartChecksWhatItRan) {
  constexpr std::int64_t kProduct = 48 * 40, kReduced = 2 * 2 * 1000;  // timed and once more, of two ranks
  for (const auto& [part, elements] :
       {std::pair("gemm", kProduct), std::pair("all_reduce", kReduced), std::pair("both", kProduct + kReduced)}) {
    const Check check = run_overlap(overlap_case(part), right_gemm(), right_all_reduce());
    EXPECT_TRUE(check.ok()) << part << ": " << check.describe();
    EXPECT_EQ(check.elements, elements) << part;
  }
}

// Cold sets of both are rotated, of which one may have more.
TEST(Overlap, EverySetIsCheckedWhereTheTwoHaveDifferentNumbersOfThem) {
  Case point = overlap_case("both");
  point.cache = Cache::cold;
  point.axes[4].value = std::int64_t(1) << 22;
  const Check check = run_overlap(point, right_gemm(), right_all_reduce());
  EXPECT_TRUE(check.ok()) << check.describe();
}

TEST(Overlap, AWrongAllReduceIsSeen) {
  static auto kernels = table_of([](const CollectiveProblem& problem, const CollectiveBuffers& buffers, int launch) {
    right(problem, buffers, launch);
    static_cast<float*>(buffers.output[1])[7] += 1;
  });
  kernels.front().name = "shm_ring";
  const WorkloadKind wrong = collective_workload(Collective::all_reduce, kernels);
  const Check check = run_overlap(overlap_case("both"), right_gemm(), wrong);
  EXPECT_FALSE(check.ok());
  EXPECT_THAT(check.describe(), HasSubstr("output of rank 1, element 7"));
}

TEST(Overlap, AWrongProductIsSeen) {
  static std::vector<GemmKernel> kernels = gemm_kernels();
  for (GemmKernel& kernel : kernels)
    if (kernel.name == "cpu_blocked")
      kernel.prepare = stateless<GemmProblem, GemmBuffers>(
          [](const GemmProblem& problem, const GemmBuffers& buffers, const Target&, Stream) {
            std::fill_n(static_cast<float*>(buffers.d), problem.m * problem.n, 1e6F);
          });
  const WorkloadKind wrong = gemm_workload(kernels);
  const Check check = run_overlap(overlap_case("both"), wrong, right_all_reduce());
  EXPECT_FALSE(check.ok());
  EXPECT_THAT(check.describe(), HasSubstr("d["));
}

TEST(Overlap, AnErrorOfEitherComesOut) {
  static auto kernels = table_of([](const CollectiveProblem& problem, const CollectiveBuffers& buffers, int launch) {
    if (launch > 0) throw std::runtime_error("the planted reduction fails");
    right(problem, buffers, launch);
  });
  kernels.front().name = "shm_ring";
  const WorkloadKind failing = collective_workload(Collective::all_reduce, kernels);
  EXPECT_THROW(run_overlap(overlap_case("both"), right_gemm(), failing), std::runtime_error);
  SideThread side;
  for (int i = 0; i < 3; ++i) {
    side.start([] { throw std::runtime_error("the planted product fails"); });
    EXPECT_THROW(side.wait(), std::runtime_error);
    side.start([] {});
    side.wait();
  }
}

TEST(Overlap, WorkIsThatOfWhatRuns) {
  const WorkloadKind kind = overlap_workload(right_gemm(), right_all_reduce());
  const Work gemm = kind.work(overlap_case("gemm"), 2), reduce = kind.work(overlap_case("all_reduce"), 2),
             both = kind.work(overlap_case("both"), 2);
  EXPECT_EQ(gemm.flops, 2.0 * 48 * 40 * 56);
  EXPECT_EQ(gemm.bytes, 0);
  EXPECT_EQ(reduce.flops, 0);
  EXPECT_EQ(reduce.bytes, 4000);
  EXPECT_EQ(both.flops, gemm.flops);
  EXPECT_EQ(both.bus_factor, reduce.bus_factor);
}

}  // namespace
}  // namespace assay
