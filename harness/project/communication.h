// Time of collectives on a cluster, by where a group's ranks sit.
#pragma once
#include "harness/project/hardware.h"

namespace assay {

/// Ranks `stride` GPUs apart, in the order tensor, context, data, pipeline: the tensor group is in one node.
struct Group {
  double size = 1, stride = 1;
};
Group tensor_group(const TrainingPlan&);
Group context_group(const TrainingPlan&);
Group data_group(const TrainingPlan&);    // what shares gradients: data and context parallel ranks
Group expert_group(const TrainingPlan&);  // of the GPUs of a stage, neighbours first
Group expert_data_group(const TrainingPlan&);

/// Bus bandwidth of one rank: the links' within a domain; beyond, that of the NICs of the ranks it has in a domain,
/// which share the ring (nccl-tests PERFORMANCE.md: a ring crosses a node's edge once), the links' at most.
double bus_bytes_per_second(const Group&, const Hardware&);
bool within_domain(const Group&, const Hardware&);

/// All-gather or reduce-scatter of `bytes` in all: (n - 1) / n bytes / bus + (n - 1) steps' latency.
double gather_seconds(double bytes, const Group&, const Hardware&, double bus_share = 1);
/// All-reduce: twice that.
double all_reduce_seconds(double bytes, const Group&, const Hardware&);
/// Copies of a token that a rank sends on their way to its experts: over links in the domain, and through its NIC.
///   all to all  each of k copies goes to any of n ranks: k (d - 1) / n near, k (n - d) / n far, d of them in a domain
///   per node    far: of the M (1 - (1 - 1/M)^k) nodes that k choices among M hit, those that are not its own; M is
///               all N nodes or the router's limit.  Near: of the M d ranks that they hit, (d - 1) / d are not where
///               the token arrives.
struct TokenCopies {
  double near = 0, far = 0;
};
TokenCopies token_copies(const TrainingPlan&, const Hardware&);
/// `tokens` of one rank to their experts, `bytes` each; links and NIC work at once.  0 where all experts are its own.
double dispatch_seconds(double tokens, double bytes, const TrainingPlan&, const Hardware&);
/// To the next pipeline stage.
double neighbour_seconds(double bytes, const TrainingPlan&, const Hardware&);

/// What communication adds to compute that it runs under: the part that does not fit in `window`, at least one of
/// `pieces` (the first or last cannot hide), and `contention` of the rest, by which it slows the compute.
double exposed_seconds(double communication, double window, double pieces, double contention);

}  // namespace assay
