#include "harness/workloads/train_step_details.h"

#include <algorithm>
#include <cctype>
#include <limits>
#include <string>

#include "harness/train/times.h"
#include "kernels/peak/peak.h"

namespace assay {
namespace {

/// The rate of one kernel: of its fastest launch, since a low peak would flatter the step.
double peak_rate(const PeakKernel& kernel, const PeakProblem& problem, Backend& backend, Communicator& communicator) {
  constexpr int kLaunches = 20;
  const Target target = backend.target();
  const PeakArithmetic arithmetic = kernel.arithmetic(problem, target);
  const Buffer output = backend.allocate(std::size_t(arithmetic.accumulators) * sizeof(float));
  const PeakBuffers buffers{nullptr, output.data()};
  const auto operation = kernel.prepare(problem, target, {buffers}, backend.stream());
  double least = std::numeric_limits<double>::infinity();
  communicator.barrier();  // all ranks at once, as in the step
  for (int launch = 0; launch < kLaunches; ++launch)
    least = std::min(least, backend.time([&] { operation->launch(buffers, backend.stream()); }));
  const double slowest = communicator.maximum(least);
  return 2.0 * double(arithmetic.accumulators) * arithmetic.multiply_adds * double(problem.size) / slowest;
}

/// "flops_full_attention", "flops_6n".
std::string detail_name(FlopConvention convention) {
  std::string out = std::string("flops_") + name_of(convention);
  for (char& c : out) c = c == ' ' ? '_' : char(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

/// What the gradients' sum over ranks costs; of one rank, that it costs nothing.
std::vector<Detail> reduction_details(TrainStep& step, Backend& backend, Communicator& communicator) {
  const ReductionTimes times = measure_reduction(step, backend, communicator);
  std::vector<Detail> out = {{"seconds_exposed_communication", times.exposed, {}}};
  if (communicator.size() == 1) return out;
  const auto ops = step.ops();
  const auto beside = std::count_if(ops.begin(), ops.end(), [](const StepOp* op) { return bool(op->alone); });
  out.push_back({"seconds_all_reduce_alone", times.alone, {}});
  out.push_back({"hidden_communication", times.hidden(), {}});
  out.push_back({"gradient_buckets", double(beside), {}});  // 0: all gradients at once, after backward
  return out;
}

}  // namespace

UnitsPeak measured_peak(DType dtype, Backend& backend, Communicator& communicator) {
  UnitsPeak best;
  const Target target = backend.target();
  backend.settle();
  for (const PeakKernel& kernel : peak_kernels()) {
    if (kernel.device != target.device || std::count(kernel.dtypes.begin(), kernel.dtypes.end(), dtype) == 0) continue;
    for (const PeakUnit unit : kernel.units) {
      const PeakProblem problem{unit, dtype, kernel.default_size};
      if (is_arithmetic(unit) && kernel.supports(problem, target).ok())
        best = higher(best, {peak_rate(kernel, problem, backend, communicator), kernel.name});
    }
  }
  return best;
}

std::vector<Detail> train_step_details(TrainStep& step, const UnitsPeak& earlier, Backend& backend,
                                       Communicator& communicator) {
  const TrainSetup& setup = step.setup();
  const Transformer model = setup.model.transformer();
  std::vector<Detail> out = {{"tokens", double(setup.tokens()), {}}, {"parameters", parameters(model).total, {}}};
  for (const FlopConvention convention : kFlopConventions)
    out.push_back({detail_name(convention),
                   training_flops(model, double(setup.sequence), convention) * double(setup.tokens()) /
                       double(communicator.size()),
                   {}});
  MemoryBytes memory = step.memory();
  for (const MemoryUse use : {MemoryUse::parameters, MemoryUse::gradients, MemoryUse::optimizer, MemoryUse::activations,
                              MemoryUse::temporary})
    out.push_back({std::string("bytes_") + kMemoryUses[int(use)], double(memory[use]), {}});
  UnitsPeak peak = higher(earlier, measured_peak(setup.dtype, backend, communicator));
  const StepTimes times = measure_times(step, backend, communicator);
  peak = higher(peak, measured_peak(setup.dtype, backend, communicator));
  for (std::size_t kind = 0; kind < std::size(kKernelClasses); ++kind)
    out.push_back({std::string("seconds_") + kKernelClasses[kind], times.of_class[kind], {}});
  out.push_back({"seconds_projected", times.projected, {}});
  out.push_back({"seconds_projected_low", times.projected_low, {}});
  out.push_back({"seconds_projected_high", times.projected_high, {}});
  out.push_back({"seconds_beside", times.whole, {}});  // whole steps in turns with those kernels
  for (Detail& one : reduction_details(step, backend, communicator)) out.push_back(std::move(one));
  if (peak.flops_per_second > 0) {
    out.push_back({"peak_flops_per_second", peak.flops_per_second, {}});
    out.push_back({"peak_kernel", peak.kernel, {}});
  } else {
    out.push_back({"peak_flops_per_second", {}, "this build has no peak kernel of that type"});
  }
  return out;
}

}  // namespace assay
