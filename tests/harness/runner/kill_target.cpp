// A run that the kill test ends with SIGKILL: kill_target OUT LOG KERNELS...
// Each KERNELS is a point of its own: one kernel, or several joined by '+', which are sampled in turns.
// Each preparation of a case adds a line to LOG.  The kernel `dies` always kills the process, `dies_once` the first
// time.  A launch of `hangs` never ends, on what is called a GPU.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "harness/communicators/guarded.h"
#include "harness/runner/progress.h"
#include "harness/runner/runner.h"
#include "tests/harness/runner/planted_catalog.h"

namespace {

/// How often a line is in the log, this time included.
int log_attempt(const std::string& path, const std::string& line) {
  std::ofstream(path, std::ios::app) << line + "\n" << std::flush;
  std::ifstream log(path);
  int count = 0;
  for (std::string each; std::getline(log, each);) count += each == line;
  return count;
}

}  // namespace

int main(int count, char** words) {
  using namespace assay;
  if (count < 4) return 2;
  const std::string out = words[1], log = words[2];
  Suite suite;
  suite.name = "kill";
  suite.sampling = quick_rule();
  suite.sampling.wall_seconds = 0.02;
  std::vector<std::string> kernels;
  for (int i = 3; i < count; ++i) {
    std::istringstream joined(words[i]);
    for (std::string kernel; std::getline(joined, kernel, '+'); kernels.push_back(kernel))
      suite.cases.push_back(planted_case(kernel, i));
  }
  const bool hangs = std::find(kernels.begin(), kernels.end(), "hangs") != kernels.end();
  Catalog catalog = {planted_kind(kernels)};
  const auto make = catalog[0].make;
  catalog[0].make = [&](const Case& point, WorkloadContext& context) {
    const int attempt = log_attempt(log, point.id());
    if (point.kernel == "dies" || (point.kernel == "dies_once" && attempt == 1)) std::raise(SIGKILL);
    if (hangs) context.communicator.doing("preparing " + point.id(), "gpu0");  // launches there are watched
    return make(point, context);
  };
  Machine machine(1);
  constexpr double kDeadline = 1;
  const auto alone = guard(make_single_communicator(), "", kDeadline);
  Progress progress(stderr, true);
  RunOptions options{out, true, {"kill_target"}};
  const auto planned = plan(suite, catalog, machine, *alone);
  return run(suite, catalog, planned, machine, *alone, options, progress, std::atomic<bool>{false}).complete ? 0 : 1;
}
