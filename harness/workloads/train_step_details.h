// What a record of a training step says besides its time.
#pragma once
#include <string>
#include <vector>

#include "harness/train/step.h"
#include "harness/workloads/workload.h"

namespace assay {

/// What the machine's units reach in a type, all ranks at once: what a utilisation is of.
struct UnitsPeak {
  double flops_per_second = 0;  // 0: this build has no peak kernel of that type
  std::string kernel;
};
/// Of the fastest launch of some tens of milliseconds.  A machine may be slow for longer than that, and a low peak
/// would flatter the step: look several times, and keep the highest.  Collective.
UnitsPeak measured_peak(DType, Backend&, Communicator&);
inline UnitsPeak higher(const UnitsPeak& a, const UnitsPeak& b) {
  return b.flops_per_second > a.flops_per_second ? b : a;
}

/// FLOP by each convention and of one rank, memory, time by kernel class, the step projected from its kernels alone,
/// what the gradients' sum over ranks costs (ReductionTimes), and the highest peak seen, before (`earlier`) or now.
/// Collective.
std::vector<Detail> train_step_details(TrainStep&, const UnitsPeak& earlier, Backend&, Communicator&);

}  // namespace assay
