// The GEMM workload: cases of kernels/gemm/gemm.h.
#pragma once
#include <vector>

#include "harness/workloads/workload.h"
#include "kernels/gemm/gemm.h"

namespace assay {

/// Axes layout, m, n, k.  `kernels` outlives the result (tests pass tables with planted bugs).
WorkloadKind gemm_workload(const std::vector<GemmKernel>& kernels);

}  // namespace assay
