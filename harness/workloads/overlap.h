// The overlap workload: a matrix product and an all-reduce at once, and each alone.
#pragma once
#include "harness/workloads/workload.h"

namespace assay {

/// Axes layout, m, n, k, bytes, ranks and part: `both`, `gemm`, `all_reduce`.  The three parts of a point are three
/// cases, measured by the same code and, with "in_turns", in turns; what one costs the other is derived from them
/// (publish/overlap.h).  A kernel is a pair, "cpu_blocked+shm_ring", of rows of the two given workloads.
///
/// On a CPU every process multiplies in a thread of its own (and those of its OpenMP team) while the calling thread
/// reduces: on the same cores, as in training on a CPU.  On GPUs the product of each is on a second stream of its own.
/// `gemm` and `all_reduce` outlive the result.
WorkloadKind overlap_workload(const WorkloadKind& gemm, const WorkloadKind& all_reduce);

}  // namespace assay
