// The attention workload (forward): cases of kernels/attention/attention.h.
#pragma once
#include <vector>

#include "harness/workloads/workload.h"
#include "kernels/attention/attention.h"

namespace assay {

/// Axes mask, batch, heads, kv_heads, seq_q, seq_kv, head_dim.  `kernels` outlives the result.
WorkloadKind attention_workload(const std::vector<AttentionKernel>& kernels);

}  // namespace assay
