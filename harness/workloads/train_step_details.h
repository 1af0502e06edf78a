// What a record of a training step says besides its time.
#pragma once
#include <vector>

#include "harness/train/step.h"
#include "harness/workloads/unit_peak.h"
#include "harness/workloads/workload.h"

namespace assay {

/// FLOP by each convention and of one rank, memory, time by kernel class, the step projected from its kernels alone,
/// what the gradients' sum over ranks costs (ReductionTimes), and the highest peak seen, before (`earlier`) or now.
/// Collective.
std::vector<Detail> train_step_details(TrainStep&, const UnitsPeak& earlier, Backend&, Communicator&);

}  // namespace assay
