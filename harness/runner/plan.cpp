#include <fmt/format.h>

#include <set>
#include <utility>

#include "harness/core/error.h"
#include "harness/core/units.h"
#include "harness/runner/runner.h"

namespace assay {
namespace {

/// Ranks of the case's work: one per process, or one per GPU that the process drives.
int ranks_of(const Backend& backend, const Communicator& communicator) { return backend.slots() * communicator.size(); }

/// Throws where it does not fit.
std::size_t bytes_here(const Case& point, const WorkloadKind& kind, const Backend& backend) {
  const std::size_t one = kind.set_bytes(point);
  return one * std::size_t(rotation_sets(point, one, backend));
}

/// What this rank thinks of the case; work is counted even where it cannot run.
PlannedCase plan_here(const Case& point, const WorkloadKind& kind, Machine& machine, const Communicator& communicator) {
  PlannedCase planned{point, Support::yes(), {}};
  if (const auto* kernel = find_kernel(kind, point.kernel)) planned.vendor = kernel->vendor;
  int ranks = communicator.size();
  try {
    Backend& backend = machine.backend_for(point);
    ranks = ranks_of(backend, communicator);
    planned.support = kind.supports(point, backend.target(), communicator);
    if (planned.support.ok()) planned.bytes = bytes_here(point, kind, backend);
  } catch (const MeasureError& error) {
    planned.support = Support::no(error.what());
  }
  planned.work = kind.work(point, ranks);
  return planned;
}

/// The same for an accelerator that is described.
PlannedCase plan_there(const Case& point, const WorkloadKind& kind, const Accelerator& accelerator,
                       const Communicator& communicator) {
  PlannedCase planned{point, Support::yes(), kind.work(point, communicator.size())};
  if (const auto* kernel = find_kernel(kind, point.kernel)) planned.vendor = kernel->vendor;
  planned.support = kind.supports(point, target_of(accelerator), communicator);
  const auto bytes = double(kind.set_bytes(point));
  if (planned.support.ok() && bytes > accelerator.memory_bytes)
    planned.support = Support::no(fmt::format("needs {} of buffers, and {} has {}", format_bytes(bytes),
                                              accelerator.name, format_bytes(accelerator.memory_bytes)));
  return planned;
}

/// The case as its workload means it on `gpus` GPUs of each process, with the workload.
std::pair<Case, const WorkloadKind*> resolved(const Case& point, const Catalog& catalog, int gpus,
                                              const Communicator& communicator, std::set<std::string>& ids) {
  const WorkloadKind* kind = find_workload(catalog, point.workload);
  if (!kind) throw InputError(fmt::format("{}: there is no workload '{}'", point.id(), point.workload));
  Case out = point;
  const bool on_all_gpus = point.device == Device::gpu && !kind->rank_per_process;
  if (kind->resolve) kind->resolve(out, (on_all_gpus ? gpus : 1) * communicator.size());
  if (!ids.insert(out.id()).second)
    throw InputError(fmt::format("{}: two cases of the suite come to this one on this machine", out.id()));
  return {std::move(out), kind};
}

}  // namespace

std::vector<PlannedCase> plan(const Suite& suite, const Catalog& catalog, Machine& machine,
                              Communicator& communicator) {
  std::vector<PlannedCase> out;
  std::set<std::string> ids;
  const int gpus = communicator.size() == 1 ? machine.gpus() : 1;  // each rank works on one with the others
  for (const auto& point : suite.cases) {
    const auto [here, kind] = resolved(point, catalog, gpus, communicator, ids);
    out.push_back(plan_here(here, *kind, machine, communicator));
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

std::vector<PlannedCase> plan_as(const Accelerator& accelerator, const Suite& suite, const Catalog& catalog,
                                 Machine& machine, Communicator& communicator) {
  std::vector<PlannedCase> out;
  std::set<std::string> ids;
  for (const auto& point : suite.cases) {
    const auto [there, kind] = resolved(point, catalog, 1, communicator, ids);
    out.push_back(point.device == Device::cpu ? plan_here(there, *kind, machine, communicator)
                                              : plan_there(there, *kind, accelerator, communicator));
  }
  return out;
}

}  // namespace assay
