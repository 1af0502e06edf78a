#include "harness/runner/probe.h"

#include <sys/resource.h>

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "harness/core/error.h"

namespace assay {
namespace {

Case resolved(const Case& point, const WorkloadKind& kind, int offered) {
  Case out = point;
  if (kind.resolve) kind.resolve(out, offered);
  return out;
}

}  // namespace

long involuntary_switches() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nivcsw;
}

Probe::Probe(const Case& point, const Catalog& catalog, Machine& machine, Communicator& ranks)
    : point_(resolved(point, *find_workload(catalog, point.workload), ranks.size())),
      backend_(machine.backend_for(point)),
      context_{backend_, ranks} {
  const WorkloadKind& kind = *find_workload(catalog, point.workload);
  if (const Support support = kind.supports(point_, backend_.target(), ranks); !support.ok())
    throw MeasureError(fmt::format("{}: {}", point_.id(), support.reason));
  workload_ = kind.make(point_, context_);
  work_ = workload_->work();
  launches_.assign(std::size_t(std::max(1, workload_->sets())), 0);
}

void Probe::launch() {
  ++launches_[std::size_t(next_set_)];
  workload_->launch(next_set_);
  next_set_ = (next_set_ + 1) % int(launches_.size());
}

double Probe::launch_seconds() {
  constexpr int kTries = 5;  // the first ones load code and touch memory
  double least = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kTries; ++i) least = std::min(least, backend_.time([&] { launch(); }));
  return least;
}

void Probe::run() {
  for (int i = 0; i < batch_; ++i) launch();
  backend_.synchronize();
}

std::optional<double> Probe::sample() {
  const long before = involuntary_switches();
  const double seconds = backend_.time([&] {
    for (int i = 0; i < batch_; ++i) launch();
  });
  if (involuntary_switches() != before) return std::nullopt;
  return seconds;
}

std::string Probe::problem() {
  backend_.synchronize();
  const Check check = workload_->check(launches_);
  if (check.elements == 0) return point_.id() + ": no element was compared";
  return check.ok() ? "" : point_.id() + ": " + check.describe();
}

}  // namespace assay
