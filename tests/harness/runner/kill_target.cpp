// A run that the kill test ends with SIGKILL: kill_target OUT LOG KERNEL...
// Each preparation of a case adds a line to LOG.  The kernel `dies` always kills the process, `dies_once` the first
// time.
#include <csignal>
#include <cstdio>
#include <fstream>

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
  std::vector<std::string> kernels(words + 3, words + count);
  for (std::size_t i = 0; i < kernels.size(); ++i) suite.cases.push_back(planted_case(kernels[i], std::int64_t(i) + 1));
  Catalog catalog = {planted_kind(kernels)};
  const auto make = catalog[0].make;
  catalog[0].make = [&](const Case& point, WorkloadContext& context) {
    const int attempt = log_attempt(log, point.id());
    if (point.kernel == "dies" || (point.kernel == "dies_once" && attempt == 1)) std::raise(SIGKILL);
    return make(point, context);
  };
  Machine machine(1);
  const auto alone = make_single_communicator();
  Progress progress(stderr, true);
  RunOptions options{out, true, {"kill_target"}};
  const auto planned = plan(suite, catalog, machine, *alone);
  return run(suite, catalog, planned, machine, *alone, options, progress, std::atomic<bool>{false}).complete ? 0 : 1;
}
