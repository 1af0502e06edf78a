// What a case of a collective says, as the kernels' problem.
#pragma once
#include "harness/communicators/communicator.h"
#include "harness/core/case.h"
#include "kernels/collectives/collectives.h"

namespace assay {

inline constexpr int kMostCollectiveRanks = 256;  // sums of inputs are exact up to here

/// `offered`: processes of the launcher, or GPUs of a process alone.
int collective_ranks(const Case&, int offered);
CollectivePeers collective_peers(int ranks, const Communicator&);
/// `operation` is the case's workload.  S is rounded down to whole elements of equal parts, as nccl-tests does.
CollectiveProblem collective_problem(Collective operation, const Case&, const CollectivePeers&);

}  // namespace assay
