// The few factors that no datasheet tells, fitted on published runs: how much of the published GEMM rate a whole step
// sustains, how much hidden communication slows compute, and one factor of some software stacks.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "harness/project/published_runs.h"
#include "harness/project/step_time.h"

namespace assay {

/// Shared by all rows of its kind; never one row's own.
struct Factor {
  std::string name;  // "generation 9 fp8: share of the GEMM rate"
  double value = 1;
  std::vector<std::string> fitted_on;  // ids
};

class Calibration {
 public:
  /// Fits on the rows that calibrate, but for `left_out` (an id; empty: none).  Each factor by golden section on the
  /// mean absolute logarithm of projected over published, in turns until they settle.
  static Calibration fit(const PublishedRuns&, const std::string& left_out = "");

  /// For hardware of a generation: its own fitted shares; where it has none of a precision, the nearest generation's
  /// (of another maker's the least), and says so in `note`.
  Shares shares(const Hardware&, Precision, std::string* note = nullptr) const;
  /// The stack with its fitted factor.
  Stack stack(const PublishedStack&) const;
  std::vector<Factor> factors() const;
  double step_seconds(const PublishedRun&, const PublishedRuns&) const;

 private:
  struct Key {
    int generation;
    Precision precision;
    auto operator<=>(const Key&) const = default;
  };
  void fit_all(const PublishedRuns&, const std::vector<const PublishedRun*>&);
  const Factor* nearest(int generation, Precision) const;

  std::map<Key, Factor> compute_;
  std::map<std::string, Factor> stacks_;
  std::map<std::string, StackFactor> stack_kinds_;
  Factor contention_;
};

/// The shipped rows' fit, made once (tens of milliseconds).
const Calibration& calibration();

}  // namespace assay
