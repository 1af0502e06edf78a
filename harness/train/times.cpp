#include "harness/train/times.h"

#include <algorithm>
#include <map>

namespace assay {
namespace {

constexpr double kSeconds = 0.5;  // for whole steps, as much for timed ones, and three times that for kernels alone
constexpr int kFewestRounds = 3, kMostRounds = 50;
// A difference of two steps is smaller than they are, and as noisy: more of them.
constexpr double kReductionSeconds = 2;
constexpr int kFewestPairs = 7, kMostPairs = 200;

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
  const auto alone = [](const StepOp& op) { op.alone ? op.alone() : op.launch(); };
  for (std::size_t k = 0; k < kernels.size(); ++k)
    for (int time = 0; time < kTimes; ++time)
      for (const StepOp* op : kernels[k]) {
        const double seconds = backend.time([&] { alone(*op); });
        if (time > 0) samples[k].push_back(seconds);
      }
}

/// When a step would end whose launches take what their kernels take alone.
double projection(const TrainStep& step, const std::vector<std::vector<const StepOp*>>& kernels,
                  std::vector<std::vector<double>> samples) {
  std::map<const StepOp*, double> seconds;
  for (std::size_t k = 0; k < kernels.size(); ++k) {
    const double alone = median(std::move(samples[k]));
    for (const StepOp* op : kernels[k]) seconds[op] = alone;
  }
  double now = 0, beside = 0;
  for (const StepOp* op : step.ops()) {
    if (op->alone)
      beside = std::max(now, beside) + seconds[op];
    else  // what communicates and starts nothing beside it waits for what was started
      now = (op->kind == KernelClass::communication ? std::max(now, beside) : now) + seconds[op];
  }
  return now;
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
  out.projected = projection(step, kernels, std::move(alone));
  out.whole = median(std::move(whole));
  return out;
}

// A NaN stays one.
double ReductionTimes::hidden() const { return alone == 0 ? 0 : std::clamp(1 - exposed / alone, 0.0, 1.0); }

ReductionTimes measure_reduction(TrainStep& step, Backend& backend, Communicator& communicator) {
  ReductionTimes out;
  if (communicator.size() == 1) return out;
  const auto slowest = [&](const auto& work) {
    backend.settle();
    communicator.barrier();
    return communicator.maximum(backend.time(work));
  };
  const auto reduced = [&] { step.run(); };
  const auto unreduced = [&] { step.run_unreduced(); };
  const auto alone = [&] {
    for (const StepOp* op : step.ops())
      if (op->kind == KernelClass::communication) op->alone ? op->alone() : op->launch();
  };
  const double first = slowest(reduced) + slowest(unreduced) + slowest(alone);
  out.rounds = std::clamp(int(kReductionSeconds / first), kFewestPairs, kMostPairs);
  std::vector<double> differences, by_itself;
  for (int round = 0; round < out.rounds; ++round) {
    // First one, then the other comes first.
    const double before = round % 2 == 0 ? 0 : slowest(unreduced), with = slowest(reduced);
    differences.push_back(with - (round % 2 == 0 ? slowest(unreduced) : before));
    by_itself.push_back(slowest(alone));
  }
  const double difference = median(std::move(differences));
  out.exposed = difference < 0 ? 0 : difference;
  out.alone = median(std::move(by_itself));
  return out;
}

}  // namespace assay
