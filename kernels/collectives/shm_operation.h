// A collective over shared memory as the harness sees it: its rank algorithm in a thread per local rank.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/collectives/rank_algorithm.h"

namespace assay {

struct ShmOptions {
  double deadline_seconds = 60;  // for the slowest rank to arrive, at the start and within a launch
};

/// What was chosen for a problem; equal on every rank.
struct ShmChoice {
  std::string description;
  std::size_t shared_bytes = 0;  // beside the control block
  /// The algorithm of one rank; `shared` are shared_bytes zeroed bytes, the same ones for all.
  std::function<std::unique_ptr<RankAlgorithm>(const ShmMember&, std::byte* shared)> make;
};

/// Collective over all ranks.  Ranks of this process become threads; where there are several processes, they meet in a
/// segment named `peers.shared_name`, whose name is gone when this returns.
std::unique_ptr<CollectiveOperation> make_shm_operation(const CollectiveProblem&, const Target&, const ShmChoice&,
                                                        const ShmOptions&);

/// `low_latency`, `flat`, `two_shot` and `ring`; `auto` is for the caller to replace.
ShmChoice choose_staged(const CollectiveProblem&, const std::string& algorithm);

/// What all kernels over shared memory ask of a problem.
Support shm_supports(const CollectiveProblem&);

}  // namespace assay
