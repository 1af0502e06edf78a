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
  double projected = 0;                                      // the sum over all launches of their kernel's median alone
  double whole = 0;  // median of a whole step in the same rounds: a slow phase of the machine slows both
  int rounds = 0;
};

/// Runs steps for a second or so; the state goes on from where it is, and afterwards is good for nothing but more
/// timing.  Alone: the launches of one kernel, of all layers in turn, again and again with nothing between, so that
/// each finds its weights and activations where other layers' use has left them.  Collective.
StepTimes measure_times(TrainStep&, Backend&, Communicator&);

}  // namespace assay
