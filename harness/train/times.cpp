#include "harness/train/times.h"

#include <algorithm>
#include <map>

namespace assay {
namespace {

constexpr double kSeconds = 1;  // for steps, and as much for kernels alone
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

/// The median of one launch; the first round is warm-up.
double time_alone(const std::vector<const StepOp*>& launches, Backend& backend, int rounds) {
  std::vector<double> seconds;
  for (int round = 0; round <= rounds; ++round)
    for (const StepOp* op : launches) {
      const double one = backend.time(op->launch);
      if (round > 0) seconds.push_back(one);
    }
  return median(std::move(seconds));
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
  for (int round = 0; round < out.rounds; ++round) {
    std::array<double, std::size(kKernelClasses)> sums{};
    backend.settle();
    for (const auto& [op, seconds] : step.run_timed()) sums[std::size_t(op->kind)] += seconds;
    for (std::size_t kind = 0; kind < sums.size(); ++kind) samples[kind].push_back(sums[kind]);
  }
  for (std::size_t kind = 0; kind < samples.size(); ++kind) out.of_class[kind] = median(std::move(samples[kind]));
  backend.settle();
  for (const auto& launches : by_kernel(step))
    out.projected += double(launches.size()) * time_alone(launches, backend, out.rounds);
  return out;
}

}  // namespace assay
