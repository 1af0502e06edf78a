// One case of a soak on one device: the part of soak.h that does not know the others.
#pragma once
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "harness/measure/sampler.h"
#include "harness/runner/runner.h"

namespace assay {

class SoakCase {
 public:
  /// What others may read meanwhile, record(), changes under `guard` alone.
  SoakCase(const PlannedCase&, const WorkloadKind&, Backend&, Communicator&, const Suite&, std::mutex& guard);

  /// Prepares it, checks its first output and keeps it.  Never throws, like what follows: what goes wrong is the case's
  /// outcome.
  void begin();
  /// Whether there is something to repeat.
  bool alive() const { return alive_; }
  /// Launches, and compares the output.  `elapsed`: seconds since the soak began.
  void repeat(const Clock& elapsed);

  /// After the soak, on one thread.  Whether both were right, by the same kernel, on devices of one kind.
  bool comparable(const SoakCase& other) const;
  bool same_bits(const SoakCase& other) const { return golden_digest_ == other.golden_digest_; }
  /// Its bits are not those of the other device, whose own are as common at least.
  void differs_from(const SoakCase& other);

  /// Of `lasted` seconds.  Under the guard.
  Record record(double lasted, int in_turns, bool interrupted) const;

 private:
  using Bytes = std::vector<std::byte>;

  void make();
  void first_output();
  void choose_batch();
  double launch_all(int times);
  void poison() const;
  std::int64_t compare_outputs(double at_seconds, std::int64_t repetition);
  Corruption locate(std::size_t tensor, int set, const Bytes& got) const;
  void corrupt(const Corruption&);
  void end(OutcomeKind, const std::string& reason);

  const PlannedCase& planned_;
  const WorkloadKind& kind_;
  Backend& backend_;
  WorkloadContext context_;
  const SamplingRule& sampling_;
  const SoakRule& rule_;
  std::mutex& guard_;
  std::unique_ptr<Workload> workload_;
  std::vector<OutputTensor> outputs_;
  std::vector<Bytes> golden_;                 // of each tensor
  std::vector<std::uint64_t> golden_digest_;  // the same
  int batch_ = 1;                             // launches of a set before its output is looked at
  bool alive_ = false;
  std::int64_t repetitions_ = 0;
  Record record_;
  Soak soak_;
  SoakSeries series_;
};

}  // namespace assay
