// The all-reduce workload: cases of kernels/all_reduce/all_reduce.h.
#pragma once
#include <vector>

#include "harness/workloads/workload.h"
#include "kernels/all_reduce/all_reduce.h"

namespace assay {

/// Axes bytes, ranks, placement.  `kernels` outlives the result.
///
/// Ranks are the launcher's processes where there are several, else threads of this process (CPU) or the slots of the
/// backend (GPU): slot r drives rank r.  make() and check() are collective: every process calls them for the same case.
WorkloadKind all_reduce_workload(const std::vector<AllReduceKernel>& kernels);

}  // namespace assay
