// telemetry_cost SUITE PAIRS: what looking at the device costs the suite's first case, by windows of a third of a
// second with and without telemetry in turns, in one process, so that what moves between runs is no part of it.  A
// program to be run on a quiet machine; no test, since it is about time.
//
// Two cores of an AMD EPYC (Zen 5, virtual), both of them computing, a matrix product of 0.5 ms, 76 pairs: the median
// takes +0.05 % longer (-0.05 .. +0.11).  The mean, which no record states, scatters too much there to tell: +0.8 %
// (+0.0 .. +2.0).  A look takes 0.33 ms of a core that is busy, ten times a second.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <optional>

#include "harness/measure/telemetry_sampler.h"
#include "harness/runner/runner.h"
#include "harness/workloads/workload.h"

namespace assay {
namespace {

constexpr double kWindowSeconds = 0.33, kPeriodSeconds = SamplingRule{}.telemetry_seconds;

struct Window {
  double median = 0, mean = 0;
};

/// With the sampler's beginning and end outside what is timed, as in a run.
Window window(Workload& workload, Backend& backend, Machine& machine, const Case& point, bool watched) {
  std::optional<TelemetrySampler> telemetry;
  if (watched) telemetry.emplace(machine.telemetry_for(point), machine.cores_beside(point), kPeriodSeconds);
  std::vector<double> seconds;
  const auto began = std::chrono::steady_clock::now();
  while (std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count() < kWindowSeconds)
    seconds.push_back(backend.time([&] { workload.launch(0); }));
  if (telemetry) telemetry->finish();
  std::sort(seconds.begin(), seconds.end());
  return {seconds[seconds.size() / 2], std::accumulate(seconds.begin(), seconds.end(), 0.0) / double(seconds.size())};
}

/// The middle of the pairs' differences, with its 95 % interval from order statistics.
std::string middle(std::vector<double> percent) {
  std::sort(percent.begin(), percent.end());
  const double n = double(percent.size()), reach = 0.98 * std::sqrt(n);
  const auto at = [&](double rank) { return percent[std::size_t(std::clamp(rank, 0.0, n - 1))]; };
  return fmt::format("{:+.3f} % ({:+.3f} .. {:+.3f})", at(n / 2), at(std::floor(n / 2 - reach)),
                     at(std::ceil(n / 2 + reach)));
}

int main_of(const std::string& suite_name, int pairs) {
  const Catalog& workloads = catalog();
  Machine machine(0);
  const auto alone = make_single_communicator();
  const Suite suite = load_suite(suite_name, workloads, DevicesPresent{machine.gpus()});
  const Case point = suite.cases.at(0);
  Backend& backend = machine.backend_for(point);
  WorkloadContext context{backend, *alone};
  const auto workload = find_workload(workloads, point.workload)->make(point, context);
  for (int i = 0; i < 3; ++i) window(*workload, backend, machine, point, i == 1);  // warm, the sampler's path too
  std::vector<double> medians, means;
  for (int pair = 0; pair < pairs; ++pair) {
    Window of[2];
    for (const bool watched : {pair % 2 == 0, pair % 2 != 0})
      of[watched] = window(*workload, backend, machine, point, watched);
    medians.push_back(100 * (of[1].median / of[0].median - 1));
    means.push_back(100 * (of[1].mean / of[0].mean - 1));
  }
  fmt::print("{}, {} pairs of {} s: with telemetry every {} s the median takes {} longer, the mean {}\n", point.id(),
             pairs, kWindowSeconds, kPeriodSeconds, middle(medians), middle(means));
  return 0;
}

}  // namespace
}  // namespace assay

int main(int count, char** words) {
  try {
    if (count != 3) throw std::runtime_error("usage: telemetry_cost SUITE PAIRS");
    return assay::main_of(words[1], std::max(10, std::atoi(words[2])));
  } catch (const std::exception& error) {
    fmt::print(stderr, "telemetry_cost: {}\n", error.what());
    return 2;
  }
}
