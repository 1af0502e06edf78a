#include "harness/runner/selftest.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>

#include "harness/core/error.h"
#include "harness/measure/statistics.h"
#include "harness/runner/progress.h"
#include "harness/runner/resume.h"

namespace assay {
namespace {

/// The smallest step of the host's clock: what a CPU's launches are timed with.  A GPU's events tick in half
/// microseconds (CUDA Runtime API, cudaEventElapsedTime), and a sample is the difference of two.
double timer_step(const Case& point) {
  constexpr double kGpuEventSeconds = 0.5e-6;
  if (point.device == Device::gpu) return kGpuEventSeconds;
  constexpr int kTries = 1000;
  double least = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kTries; ++i) {
    const auto before = std::chrono::steady_clock::now();
    auto after = before;
    while (after == before) after = std::chrono::steady_clock::now();
    least = std::min(least, std::chrono::duration<double>(after - before).count());
  }
  return least;
}

class SelftestRun {
 public:
  SelftestRun(const Suite& suite, const Catalog& catalog, Machine& machine, Communicator& communicator,
              Progress& progress, const std::atomic<bool>& interrupted)
      : suite_(suite),
        catalog_(catalog),
        machine_(machine),
        communicator_(communicator),
        progress_(progress),
        interrupted_(interrupted) {}

  Result run(const std::vector<PlannedCase>& planned, const RunOptions& options) {
    Start start = begin_or_resume(suite_, planned, options, machine_, communicator_);
    Result result = std::move(start.result);
    progress_.start(planned.size(), suite_.selftest->repetitions * 2 * suite_.sampling.wall_seconds);
    for (const auto& one : planned) {
      if (interrupted_) break;
      result.records.push_back(against_itself(one));
      start.journal->finish(result.records.back());
      progress_.finish(result.records.back());
    }
    progress_.done();
    result.complete = !interrupted_ && result.records.size() == planned.size();
    save_result(result, options.out);
    start.journal->remove();
    return result;
  }

 private:
  /// Each repetition is a comparison from scratch: buffers, which may lie better or worse, are made anew.
  Record against_itself(const PlannedCase& planned) {
    std::optional<Record> first;
    Selftest test;
    const std::atomic<bool> never{false};
    for (int i = 0; i < suite_.selftest->repetitions && (i == 0 || !interrupted_); ++i) {
      progress_.begin(
          fmt::format("{}: against itself, {} of {}", planned.point.id(), i + 1, suite_.selftest->repetitions));
      auto pair = run_cases({&planned, &planned}, catalog_, machine_, communicator_, suite_.sampling, never);
      for (Record& one : pair)
        if (!one.outcome.ok()) return std::move(one);
      test.a_seconds.push_back(rates(pair[0])->seconds.median);
      test.b_seconds.push_back(rates(pair[1])->seconds.median);
      if (!first) first = std::move(pair[0]);
    }
    test.floor_seconds = first->measurement.floor_seconds;
    test.timer_seconds = timer_step(planned.point);
    first->selftest = std::move(test);
    return std::move(*first);
  }

  const Suite& suite_;
  const Catalog& catalog_;
  Machine& machine_;
  Communicator& communicator_;
  Progress& progress_;
  const std::atomic<bool>& interrupted_;
};

}  // namespace

Result selftest(const Suite& suite, const Catalog& catalog, const std::vector<PlannedCase>& planned, Machine& machine,
                Communicator& communicator, const RunOptions& options, Progress& progress,
                const std::atomic<bool>& interrupted) {
  if (communicator.size() > 1)
    throw InputError(fmt::format("suite '{}' is a self-test: run it without an MPI launcher", suite.name));
  if (options.resume)
    throw InputError(
        fmt::format("suite '{}' is a self-test, which --resume cannot continue: start it again with "
                    "another --out",
                    suite.name));
  return SelftestRun(suite, catalog, machine, communicator, progress, interrupted).run(planned, options);
}

}  // namespace assay
