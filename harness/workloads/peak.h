// The peak workload: what this machine's units reach, cases of kernels/peak/peak.h.
#pragma once
#include <vector>

#include "harness/workloads/workload.h"
#include "kernels/peak/peak.h"

namespace assay {

/// Axes unit, size.  `kernels` outlives the result.
WorkloadKind peak_workload(const std::vector<PeakKernel>& kernels);

}  // namespace assay
