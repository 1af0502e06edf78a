// The program with one rank slowed on purpose: slow_rank FAULT PART RANK PACE ARGUMENTS OF ASSAY...
//   FAULT  none; compute: that rank's launches of the probe take PART longer (0.2: 20 %), by spinning; memory: they
//          move PART more bytes (where a host shares its memory's rate out, who spins is given it back);
//          late: what it does between two collectives takes longer, while its probe alone does not
//   PART   a fraction
//   PACE   seconds that each launch of a probe takes at least, on every rank, by spinning; 0: as long as it takes.
//          Well above what a launch takes, it hides how unequal the cores of a shared machine are; all faults spin
//          then.
// Its catalog is the program's own.
#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "harness/cli/cli.h"
#include "harness/measure/sampler.h"
#include "kernels/peak/peak.h"

namespace assay {
namespace {

struct Fault {
  std::string kind;
  double part = 0;
  double pace = 0;                // s
  bool here = false;              // on this rank
  bool after_collective = false;  // the last launch was a collective's
};

void spin_until(double moment) {
  while (steady_seconds() < moment) {
  }
}

class Slowed final : public Workload {
 public:
  /// `more`: what a launch does beside its work; may be null.
  Slowed(std::unique_ptr<Workload> inner, std::unique_ptr<Workload> more, Fault& fault, bool collective)
      : inner_(std::move(inner)), more_(std::move(more)), fault_(fault), collective_(collective) {}
  Work work() const override { return inner_->work(); }
  int sets() const override { return inner_->sets(); }
  void launch(int set) override {
    const double from = steady_seconds();
    inner_->launch(set);
    if (more_) more_->launch(set % more_->sets());
    const double healthy = collective_ ? 0 : std::max(steady_seconds() - from, fault_.pace);
    spin_until(from + healthy * (slow() && !more_ ? 1 + fault_.part : 1));
    fault_.after_collective = collective_;
  }
  Check check(const std::vector<std::int64_t>& launches) override { return inner_->check(launches); }
  bool probe_placement() const override { return inner_->probe_placement(); }
  bool own_threads() const override { return inner_->own_threads(); }
  std::string description() const override { return inner_->description(); }

 private:
  bool slow() const {
    if (!fault_.here || collective_) return false;
    if (fault_.kind == "late") return fault_.after_collective;
    return fault_.kind == (inner_->work().flops > 0 ? "compute" : "memory");
  }

  std::unique_ptr<Workload> inner_, more_;
  Fault& fault_;
  bool collective_;
};

/// The case with `part` of its bytes, where it is one that moves memory.
std::optional<Case> part_of(const Case& point, double part) {
  Case out = point;
  for (CaseAxis& axis : out.axes)
    if (axis.name == "size")
      axis.value = std::int64_t(part * double(point.number("size"))) / kPeakGranule * kPeakGranule;
  return point.workload == "peak" && point.word("unit") == "copy" ? std::optional(out) : std::nullopt;
}

Catalog slowed(Catalog workloads, Fault& fault) {
  for (WorkloadKind& kind : workloads)
    kind.make = [make = kind.make, &fault](const Case& point, WorkloadContext& context) -> std::unique_ptr<Workload> {
      std::unique_ptr<Workload> more;
      if (const auto part = part_of(point, fault.part); part && fault.here && fault.kind == "memory" && fault.pace == 0)
        more = make(*part, context);
      return std::make_unique<Slowed>(make(point, context), std::move(more), fault, point.workload == "all_reduce");
    };
  return workloads;
}

}  // namespace
}  // namespace assay

int main(int count, char** words) {
  if (count < 6) return 2;
  const char* rank = std::getenv("OMPI_COMM_WORLD_RANK");
  assay::Fault fault{words[1], std::atof(words[2]), std::atof(words[4]), rank && std::string(rank) == words[3]};
  return assay::run_command_line(std::vector<std::string>(words + 5, words + count),
                                 assay::slowed(assay::catalog(), fault));
}
