// What a record of a training step says besides its time.
#pragma once
#include <vector>

#include "harness/train/step.h"
#include "harness/workloads/workload.h"

namespace assay {

/// FLOP by each convention and of one rank, memory, time by kernel class, the step projected from its kernels alone,
/// and what the machine's units reach in that type right now: the peak that a utilisation is of.  Collective.
std::vector<Detail> train_step_details(TrainStep&, Backend&, Communicator&);

}  // namespace assay
