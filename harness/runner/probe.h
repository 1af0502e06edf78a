// A case that is launched and timed outside of the sampler: a probe of one rank, or the collective that ranks arrive
// at.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "harness/runner/runner.h"

namespace assay {

/// How often something else took this thread's core so far.
long involuntary_switches();

class Probe {
 public:
  /// `ranks`: those that run it together; one alone for what a rank does by itself.
  Probe(const Case&, const Catalog&, Machine&, Communicator& ranks);

  const Case& point() const { return point_; }
  bool computes() const { return work_.flops > 0; }
  double bytes() const { return work_.bytes; }
  /// Seconds of one launch, the shortest of a few.
  double launch_seconds();
  void set_batch(int launches) { batch_ = launches; }
  /// Launches, and waits for them.
  void run();
  /// Seconds of run(); nothing where something else had the core meanwhile.
  std::optional<double> sample();
  /// What is wrong with all that was computed; empty where nothing is.  Collective where the case is.
  std::string problem();

 private:
  void launch();

  Case point_;
  Backend& backend_;
  WorkloadContext context_;
  std::unique_ptr<Workload> workload_;
  Work work_;
  std::vector<std::int64_t> launches_;
  int batch_ = 1, next_set_ = 0;
};

}  // namespace assay
