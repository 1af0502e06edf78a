#include <fmt/format.h>

#include <set>

#include "harness/core/error.h"
#include "harness/runner/runner.h"

namespace assay {
namespace {

/// Ranks of the case's work: one per process, or one per GPU that the process drives.
int ranks_of(const Backend& backend, const Communicator& communicator) { return backend.slots() * communicator.size(); }

Support support_here(const Case& point, const WorkloadKind& kind, Backend& backend, const Communicator& communicator) {
  const Support support = kind.supports(point, backend.target(), communicator);
  if (!support.ok()) return support;
  rotation_sets(point, kind.set_bytes(point), backend);  // throws where it does not fit
  return Support::yes();
}

/// What this rank thinks of the case; work is counted even where it cannot run.
PlannedCase plan_here(const Case& point, const WorkloadKind& kind, Machine& machine, const Communicator& communicator) {
  PlannedCase planned{point, Support::yes(), {}, false};
  if (const auto* kernel = find_kernel(kind, point.kernel)) planned.vendor = kernel->vendor;
  int ranks = communicator.size();
  try {
    Backend& backend = machine.backend_for(point);
    ranks = ranks_of(backend, communicator);
    planned.support = support_here(point, kind, backend, communicator);
  } catch (const MeasureError& error) {
    planned.support = Support::no(error.what());
  }
  planned.work = kind.work(point, ranks);
  return planned;
}

}  // namespace

std::vector<PlannedCase> plan(const Suite& suite, const Catalog& catalog, Machine& machine,
                              Communicator& communicator) {
  std::vector<PlannedCase> out;
  std::set<std::string> ids;
  for (const auto& point : suite.cases) {
    const WorkloadKind* kind = find_workload(catalog, point.workload);
    if (!kind) throw InputError(fmt::format("{}: there is no workload '{}'", point.id(), point.workload));
    Case resolved = point;
    if (kind->resolve) kind->resolve(resolved, point.device == Device::gpu ? machine.gpus() : communicator.size());
    if (!ids.insert(resolved.id()).second)
      throw InputError(fmt::format("{}: two cases of the suite come to this one on this machine", resolved.id()));
    out.push_back(plan_here(resolved, *kind, machine, communicator));
    if (communicator.size() == 1) continue;
    const auto reasons = communicator.gather(out.back().support.reason);
    for (std::size_t rank = 0; rank < reasons.size(); ++rank)
      if (!reasons[rank].empty()) {
        out.back().support = Support::no(fmt::format("rank {}: {}", rank, reasons[rank]));
        break;
      }
  }
  return out;
}

}  // namespace assay
