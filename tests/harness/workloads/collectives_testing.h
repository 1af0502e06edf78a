// What the tests of the collectives' workloads share: cases, and kernels that do what a function says.
#pragma once
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "harness/backends/backend.h"
#include "harness/communicators/communicator.h"
#include "harness/workloads/collectives.h"

namespace assay {

inline Case case_of(const std::string& kernel, DType dtype, std::int64_t bytes, std::int64_t ranks,
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
inline void right(const CollectiveProblem& problem, const CollectiveBuffers& buffers, int) {
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

inline std::vector<CollectiveKernel> table_of(Fault fault) {
  CollectiveKernel kernel;
  kernel.name = "planted";
  kernel.dtypes = {DType::f32, DType::bf16};
  kernel.supports = [](const CollectiveProblem&, const Target&) { return Support::yes(); };
  kernel.prepare = [fault](const CollectiveProblem& problem, const Target&, const std::vector<CollectiveBuffers>&,
                           Stream) { return std::make_unique<PlantedOperation>(problem, fault); };
  return {kernel};
}

// Prepares the case, launches every set `launches` times and checks.
inline Check run(const std::vector<CollectiveKernel>& kernels, const Case& point, int launches,
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

inline Check run_planted(Fault fault, const std::string& placement, int launches = 3, std::int64_t bytes = 40000) {
  return run(table_of(fault), case_of("planted", DType::f32, bytes, 3, placement), launches);
}

}  // namespace assay
