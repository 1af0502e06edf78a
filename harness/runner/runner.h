// Runs cases: each registered with Google Benchmark (one iteration, manual time), our sampler inside; the kernels of
// one point together.
#pragma once
#include <atomic>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "harness/communicators/communicator.h"
#include "harness/measure/telemetry_sources.h"
#include "harness/record/result.h"
#include "harness/suite/accelerators.h"
#include "harness/suite/suite.h"

namespace assay {

/// What will happen to a case: runs, or is skipped with the reason.
struct PlannedCase {
  Case point;
  Support support;
  Work work;
  bool vendor = false;
  std::size_t bytes = 0;  // of all its buffer sets together; 0 where it is skipped
};

class Progress;  // progress.h

struct RunOptions {
  std::filesystem::path out;
  bool resume = false;
  std::vector<std::string> command = {};           // for the provenance
  bool anyway = false;                             // measure although the machine is unfit
  std::optional<StragglerReport> stragglers = {};  // found before the run, for its result
};

/// Owns the backends, made on first use and kept: a CPU, each GPU, all GPUs together.
class Machine {
 public:
  explicit Machine(int threads);
  ~Machine();
  /// Several ranks share the GPUs out (gpu_share.h): from now on gpu0 is this rank's first, which it runs collectives
  /// on.  Where some rank has none of its own, there is one that nobody can use, and gpu_reason() says why. Collective.
  void share_gpus(Communicator&);
  int gpus() const;
  const std::string& gpu_reason() const;  // why there are none, or none to use
  /// MeasureError where a case of the suite is on a GPU and some rank has none of its own.
  void expect_gpus_for(const Suite&) const;
  /// What the provenance says of the ranks' GPUs; empty where one process drives all.
  const nlohmann::ordered_json& rank_gpus() const;
  /// "cpu", "gpu3": of the machine, not of the rank.
  std::string device_name(const Case&) const;
  int threads() const;  // of the CPU
  /// MeasureError where the case's device is not there.
  Backend& backend_for(const Case&);
  Target target_for(const Case&);
  /// What ended one of its GPUs for this process (Backend::fault()); empty where all work.
  std::string fault();
  /// What to look at while cases like this one are sampled: the devices they use, as far as they can be read.
  std::vector<std::unique_ptr<TelemetrySource>> telemetry_for(const Case&);
  /// Where that may run: beside the cores that such a case computes on, as far as there are others.
  std::vector<int> cores_beside(const Case&) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Every rank comes to the same plan: what one of them cannot do is skipped by all.
std::vector<PlannedCase> plan(const Suite&, const Catalog&, Machine&, Communicator&);

/// The same for one accelerator that need not be here: what its kernels say of a target like it.  Cases for the CPU are
/// for this machine's.
std::vector<PlannedCase> plan_as(const Accelerator&, const Suite&, const Catalog&, Machine&, Communicator&);

/// Refuses (MeasureError, on every rank) to measure on a GPU of a machine that its findings call unfit, unless told to
/// do it anyway; the provenance then says so.  Measures every planned case and returns the result, also saved with its
/// journal protocol (rank 0 only; the other ranks return what they measured themselves).  Once `interrupted` is set on
/// any rank the cases at hand are finished and the rest left for a --resume: the result is saved, valid and not
/// complete, and its journal stays.
Result run(const Suite&, const Catalog&, const std::vector<PlannedCase>&, Machine&, Communicator&, const RunOptions&,
           Progress&, const std::atomic<bool>& interrupted);

/// Cases of one device and mode, from preparation to records in their order, sampled in turns where there are several.
/// Never throws for what a case did wrong: that ends the case alone.  On several ranks the outcome is the same on all:
/// what went wrong on one is everybody's outcome, and the reason names the rank.
std::vector<Record> run_cases(const std::vector<const PlannedCase*>&, const Catalog&, Machine&, Communicator&,
                              const SamplingRule&, const std::atomic<bool>& interrupted);

/// One alone.
Record run_case(const PlannedCase&, const Catalog&, Machine&, Communicator&, const SamplingRule&,
                const std::atomic<bool>& interrupted);

}  // namespace assay
