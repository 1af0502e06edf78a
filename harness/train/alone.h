// The launches of a step by themselves: what each kernel takes alone, and what those that run beside backward cost what
// they run beside.
//
// Alone, a kernel comes after the step's most frequent product, in another layer: within a step, too, others have been
// at the caches since its weights and activations were last used.  Again and again with nothing between, kernels of a
// small model on a CPU take 7 % less than within the step.
#pragma once
#include <vector>

#include "harness/communicators/communicator.h"
#include "harness/train/projected.h"
#include "harness/train/step.h"

namespace assay {

class LaunchesAlone {
 public:
  /// `timed`: of one step.  Collective.
  LaunchesAlone(const TrainStep&, const std::vector<TrainStep::TimedOp>& timed, Backend&, Communicator&);
  /// Measures them all, and returns the step's launches with their kernels' medians of this time.  Collective.
  std::vector<ProjectedLaunch> measure();

 private:
  /// Of one `what`: the same kernel on the same shape, in one layer or another.
  struct Kernel {
    std::vector<const StepOp*> launches;
    double within = 0;  // seconds of all of them in the step
  };
  void choose_others();
  double alone(const Kernel&);
  double lost(const StepOp& beside, double seconds);

  Backend& backend_;
  Communicator& communicator_;
  std::vector<const StepOp*> ops_;
  std::vector<Kernel> kernels_;         // in the order in which they are first met: the same on every rank
  std::vector<std::size_t> kernel_of_;  // of each op
  const StepOp* wait_ = nullptr;        // for what was started beside; none where nothing is
  std::size_t between_ = 0;             // kernel that comes before each
  std::size_t company_ = 0;             // kernel of what runs beside the sums
};

}  // namespace assay
