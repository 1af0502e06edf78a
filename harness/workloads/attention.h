// The attention workload: cases of kernels/attention/attention.h, forward and backward.
#pragma once
#include <vector>

#include "harness/workloads/workload.h"
#include "kernels/attention/attention.h"

namespace assay {

/// Axes mask, batch, heads, kv_heads, seq_q, seq_kv, head_dim, and optional ones: pass, head_dim_v, window, lengths,
/// gradients.  `kernels` outlives the result.
WorkloadKind attention_workload(const std::vector<AttentionKernel>& kernels);

}  // namespace assay
