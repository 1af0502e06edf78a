// Our all-reduce over shared memory between the CPU ranks of one host (algorithm: ring.h).
#pragma once
#include "kernels/all_reduce/all_reduce.h"

namespace assay {

struct ShmRingOptions {
  double deadline_seconds = 60;  // for the slowest rank to arrive, at the start and within a launch
};

Support shm_ring_supports(const AllReduceProblem&, const Target&);

/// Collective over all ranks.  Ranks of this process become threads; where there are several processes, they meet in a
/// segment named `peers.shared_name`, whose name is gone when this returns.
std::unique_ptr<AllReduceOperation> prepare_shm_ring(const AllReduceProblem&, const Target&,
                                                     const ShmRingOptions& = {});

/// The row of the table.
AllReduceKernel shm_ring_kernel();

}  // namespace assay
