// Runs cases: each registered with Google Benchmark (one iteration, manual time), our sampler inside.
#pragma once
#include <atomic>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "harness/communicators/communicator.h"
#include "harness/record/result.h"
#include "harness/suite/suite.h"

namespace assay {

/// What will happen to a case: runs, or is skipped with the reason.
struct PlannedCase {
  Case point;
  Support support;
  Work work;
};

class Progress;  // progress.h

struct RunOptions {
  std::filesystem::path out;
  bool resume = false;
  int threads = 0;                     // CPU threads; 0: all this process may use
  std::vector<std::string> command;    // for the provenance
};

/// Owns the backends, made on first use and kept: a CPU, each GPU, all GPUs together.
class Machine {
 public:
  explicit Machine(int threads);
  ~Machine();
  int gpus() const;
  const std::string& gpu_reason() const;  // why there are none
  Backend& backend_for(const Case&);
  Target target_for(const Case&);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

std::vector<PlannedCase> plan(const Suite&, const Catalog&, Machine&, Communicator&);

/// Measures every planned case and returns the result, also saved with its journal protocol (rank 0 only).
/// Ends early, with a valid result, once `interrupted` is set.
Result run(const Suite&, const Catalog&, const std::vector<PlannedCase>&, Machine&, Communicator&, const RunOptions&,
           Progress&, const std::atomic<bool>& interrupted);

/// One case, from preparation to record: never throws for what the case did wrong.
Record run_case(const PlannedCase&, const WorkloadKind&, Machine&, Communicator&, const SamplingRule&,
                const std::atomic<bool>& interrupted);

}  // namespace assay
