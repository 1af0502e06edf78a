#include "harness/train/times.h"

#include <algorithm>
#include <map>

namespace assay {
namespace {

constexpr double kSeconds = 0.5;  // for whole steps, as much for timed ones, and three times that for kernels alone
constexpr int kFewestRounds = 3, kMostRounds = 50;

double median(std::vector<double> values) {
  const auto middle = values.begin() + std::ptrdiff_t(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Launches of each kernel, in the order in which they are first met: the same on every rank.
std::vector<std::vector<const StepOp*>> by_kernel(const TrainStep& step) {
  std::map<std::string, std::size_t> place;
  std::vector<std::vector<const StepOp*>> out;
  for (const StepOp* op : step.ops()) {
    const auto [at, fresh] = place.try_emplace(op->what, out.size());
    if (fresh) out.emplace_back();
    out[at->second].push_back(op);
  }
  return out;
}

/// Each kernel's launches alone, three times in turn, of which the first is to find its place in caches.
void time_alone(const std::vector<std::vector<const StepOp*>>& kernels, Backend& backend,
                std::vector<std::vector<double>>& samples) {
  constexpr int kTimes = 3;
  for (std::size_t k = 0; k < kernels.size(); ++k)
    for (int time = 0; time < kTimes; ++time)
      for (const StepOp* op : kernels[k]) {
        const double seconds = backend.time(op->launch);
        if (time > 0) samples[k].push_back(seconds);
      }
}

}  // namespace

StepTimes measure_times(TrainStep& step, Backend& backend, Communicator& communicator) {
  double first = 0;
  backend.settle();
  for (const auto& [op, seconds] : step.run_timed()) first += seconds;
  StepTimes out;
  // All ranks as many: what communicates has to meet.
  out.rounds = std::clamp(int(kSeconds / communicator.maximum(first)), kFewestRounds, kMostRounds);
  std::array<std::vector<double>, std::size(kKernelClasses)> samples;
  const auto kernels = by_kernel(step);
  std::vector<std::vector<double>> alone(kernels.size());
  std::vector<double> whole;
  for (int round = 0; round < out.rounds; ++round) {
    std::array<double, std::size(kKernelClasses)> sums{};
    backend.settle();
    whole.push_back(backend.time([&] { step.run(); }));
    for (const auto& [op, seconds] : step.run_timed()) sums[std::size_t(op->kind)] += seconds;
    for (std::size_t kind = 0; kind < sums.size(); ++kind) samples[kind].push_back(sums[kind]);
    time_alone(kernels, backend, alone);
  }
  for (std::size_t kind = 0; kind < samples.size(); ++kind) out.of_class[kind] = median(std::move(samples[kind]));
  for (std::size_t k = 0; k < kernels.size(); ++k)
    out.projected += double(kernels[k].size()) * median(std::move(alone[k]));
  out.whole = median(std::move(whole));
  return out;
}

}  // namespace assay
