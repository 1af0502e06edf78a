// What points at a rank, one kind of measurement a function.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "harness/verdict/stragglers.h"

namespace assay {

/// The quantile that stands for a series: of a few dozen samples with every second one disturbed, this one is not.
inline constexpr double kLowQuantile = 0.25;
double low(std::vector<double> samples);
double median_of(std::vector<double> values);

/// A member's probe against the others' of the same kind of device.
struct ProbeComparison {
  double slowdown = 0;     // median over blocks of its time over the others' median, less 1
  double slow_blocks = 0;  // part of the blocks in which it is more than half of `slower`
  double seconds = 0;      // its own
  std::size_t others = 0;
  bool slow(double slower) const { return slowdown >= slower && slow_blocks >= kMostBlocks; }
  static constexpr double kMostBlocks = 0.75;
};
/// For each member; none where it has too few undisturbed samples, or nobody to be compared with.
std::vector<std::optional<ProbeComparison>> compare_probes(const std::vector<StragglerMember>&,
                                                           const std::vector<ProbeBlocks>&, double slower);

/// A rank's arrivals at the operations that were disturbed on no rank.
struct Arrival {
  int last = 0, operations = 0;
  double late_seconds = 0;         // median of its arrival less the others' median
  double wait_seconds = 0;         // median
  double others_wait_seconds = 0;  // the others' median
  double of_work = 0;              // late_seconds as part of the work before an operation
  double uncertainty = 0;          // of clocks
  bool late(double slower) const;
};
/// For each rank; empty where fewer than kLeastOperations were undisturbed.
std::vector<Arrival> compare_arrivals(const StragglerPass&);
inline constexpr int kLeastOperations = 20;

}  // namespace assay
