// The workloads of collective operations: cases of kernels/collectives/collectives.h, one workload for each operation.
#pragma once
#include <vector>

#include "harness/workloads/workload.h"
#include "kernels/collectives/collectives.h"

namespace assay {

/// Axes bytes, ranks, placement; optional ones buffers and, where the operation has them, algo and root.  `kernels`
/// outlives the result.
///
/// Ranks are the launcher's processes where there are several, each with its own GPU or on the CPU, else threads of
/// this process (CPU) or the slots of the backend (GPU): slot r drives rank r.  make() and check() are collective:
/// every process calls them for the same case.
WorkloadKind collective_workload(Collective, const std::vector<CollectiveKernel>& kernels);

}  // namespace assay
