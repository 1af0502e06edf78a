// The grouped GEMM workload: cases of kernels/grouped_gemm/grouped_gemm.h.
#pragma once
#include <vector>

#include "harness/workloads/workload.h"
#include "kernels/grouped_gemm/grouped_gemm.h"

namespace assay {

/// Axes pass, routing, groups, rows, n, k.  `kernels` outlives the result.
WorkloadKind grouped_gemm_workload(const std::vector<GroupedGemmKernel>& kernels);

}  // namespace assay
