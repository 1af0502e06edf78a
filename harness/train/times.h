// Where a step's time goes: each launch as it runs within the step, and each kernel alone, from which the step is
// projected.
#pragma once
#include <array>
#include <string>
#include <vector>

#include "harness/communicators/communicator.h"
#include "harness/train/step.h"

namespace assay {

struct StepTimes {
  std::array<double, std::size(kKernelClasses)> of_class{};  // seconds within the step, medians of `rounds`
  /// All launches at their kernel's median alone (alone.h), one after the other, and what runs beside backward slowing
  /// it as much as it slows its most frequent product (projected.h); the slowest rank's.  The median of the rounds'
  /// projections, and its 95 % interval.
  double projected = 0, projected_low = 0, projected_high = 0;
  double whole = 0;  // median of a whole step, the slowest rank's, in the same rounds: a slow phase slows both
  int rounds = 0;
};

/// Runs steps for a few seconds; the state goes on from where it is, and afterwards is good for nothing but more
/// timing.  Collective.
StepTimes measure_times(TrainStep&, Backend&, Communicator&);

/// Of the gradients' sum over ranks, in seconds.  Each sample is the slowest rank's, from a barrier on.
struct ReductionTimes {
  double exposed = 0;  // a step's, minus that of a step without it, in turns; medians of pairs, at least 0
  double alone = 0;    // all of it by itself, nothing beside it
  int rounds = 0;
  /// The part of `alone` that a step does not last longer for, 0 to 1.
  double hidden() const;
};

/// The state is afterwards good for nothing but more timing.  Collective; zeros for one rank, which reduces nothing.
ReductionTimes measure_reduction(TrainStep&, Backend&, Communicator&);

}  // namespace assay
