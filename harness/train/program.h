// A training step as the list of what it launches, in order.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "harness/backends/backend.h"
#include "harness/communicators/communicator.h"
#include "harness/train/kernels.h"
#include "harness/train/memory.h"
#include "harness/train/setup.h"

namespace assay {

/// What the time of a step is told apart by.
enum class KernelClass : std::uint8_t { gemm, attention, pointwise, cross_entropy, optimizer, communication };
inline constexpr const char* kKernelClasses[] = {"gemm",          "attention", "pointwise",
                                                 "cross_entropy", "optimizer", "communication"};
constexpr const char* name(KernelClass c) { return kKernelClasses[static_cast<int>(c)]; }

/// One launch.  Those of one `what` are the same kernel on the same shape, in another layer.
struct StepOp {
  KernelClass kind = KernelClass::gemm;
  std::string what;  // "qkv forward"
  std::function<void()> launch;
  /// Where `launch` only starts it beside what follows: the same with nothing beside it.
  std::function<void()> alone = {};
};

/// What runs for a step, in order: gradients of the batch (summed over ranks), then the update.  Backward may start
/// sums over ranks beside it, for which `reduce` waits: the three run together or not at all.
struct StepProgram {
  std::vector<StepOp> forward, backward, reduce, update;
  std::string description;  // what the products' kernel chose for the largest of them
};

/// Kernels made ready for these tensors, which outlive the result as the backend does.  Collective over the
/// communicator.  Unsupported where a kernel does not take what the step asks of it.
StepProgram make_program(const TrainSetup&, const StepKernels&, const StepTensors&, Backend&, Communicator&);
/// That, or what a test makes of it.
using ProgramMaker =
    std::function<StepProgram(const TrainSetup&, const StepKernels&, const StepTensors&, Backend&, Communicator&)>;

}  // namespace assay
