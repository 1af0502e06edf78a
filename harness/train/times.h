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
  /// All launches at their kernel's median alone, one after the other; sums over ranks that run beside backward as far
  /// behind as they can be if they slow nothing down.
  double projected = 0;
  double whole = 0;  // median of a whole step in the same rounds: a slow phase of the machine slows both
  int rounds = 0;
};

/// Runs steps for a second or so; the state goes on from where it is, and afterwards is good for nothing but more
/// timing.  Alone: the launches of one kernel, of all layers in turn, again and again with nothing between, so that
/// each finds its weights and activations where other layers' use has left them.  Collective.
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
