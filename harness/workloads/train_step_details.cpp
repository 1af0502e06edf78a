#include "harness/workloads/train_step_details.h"

#include <algorithm>
#include <cctype>
#include <string>

#include "harness/train/times.h"

namespace assay {
namespace {

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
    out.push_back({"peak_flops_per_second", {}, "no peak kernel of that type in this build runs here"});
  }
  return out;
}

}  // namespace assay
