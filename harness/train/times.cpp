#include "harness/train/times.h"

#include <algorithm>
#include <chrono>

#include "harness/measure/statistics.h"
#include "harness/train/alone.h"

namespace assay {
namespace {

constexpr double kSeconds = 0.5;     // for whole steps, and as much for timed ones
constexpr double kAloneSeconds = 2;  // for kernels alone
constexpr int kFewestRounds = 3, kMostRounds = 50;
// A difference of two steps is smaller than they are, and as noisy: more of them.
constexpr double kReductionSeconds = 2;
constexpr int kFewestPairs = 7, kMostPairs = 200;

double median(std::vector<double> values) {
  const auto middle = values.begin() + std::ptrdiff_t(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

StepTimes measure_times(TrainStep& step, Backend& backend, Communicator& communicator) {
  double first = 0;
  backend.settle();
  const auto timed = step.run_timed();
  for (const auto& [op, seconds] : timed) first += seconds;
  LaunchesAlone launches(step, timed, backend, communicator);
  const auto start = std::chrono::steady_clock::now();
  launches.measure();  // what is new to caches is found now
  const double alone = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  StepTimes out;
  // All ranks as many: what communicates has to meet.
  const double rounds = std::min(kSeconds / communicator.maximum(first), kAloneSeconds / communicator.maximum(alone));
  out.rounds = std::clamp(int(rounds), kFewestRounds, kMostRounds);
  std::array<std::vector<double>, std::size(kKernelClasses)> samples;
  std::vector<double> whole, projected;
  for (int round = 0; round < out.rounds; ++round) {
    std::array<double, std::size(kKernelClasses)> sums{};
    backend.settle();
    communicator.barrier();
    whole.push_back(communicator.maximum(backend.time([&] { step.run(); })));
    for (const auto& [op, seconds] : step.run_timed()) sums[std::size_t(op->kind)] += seconds;
    for (std::size_t kind = 0; kind < sums.size(); ++kind) samples[kind].push_back(sums[kind]);
    projected.push_back(communicator.maximum(projected_seconds(launches.measure())));
  }
  for (std::size_t kind = 0; kind < samples.size(); ++kind) out.of_class[kind] = median(std::move(samples[kind]));
  const Interval interval = median_interval(projected);
  out.projected_low = interval.low, out.projected_high = interval.high;
  out.projected = median(std::move(projected));
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
