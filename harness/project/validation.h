// The projector against published runs: its own error, printed.
#pragma once
#include <string>
#include <vector>

#include "harness/project/calibration.h"

namespace assay {

struct ValidatedRun {
  const PublishedRun* run = nullptr;
  double projected_seconds = 0;  // by a fit without this row, where the row calibrates
  double error() const { return projected_seconds / run->step_seconds - 1; }
};

struct ValidatedGroup {
  std::string name;
  std::size_t rows = 0;
  double mean_absolute = 0, worst = 0, bias = 0;  // relative
  double bar = 0;                                 // that mean_absolute shall not exceed; 0: none is set
  bool passed() const { return bar == 0 || mean_absolute <= bar; }
};

struct ValidatedOrder {
  PublishedOrder pair;
  double published = 0, projected = 0;  // throughput of the faster over that of the slower
  bool passed() const { return projected > 1; }
};

/// A FLOP count as its source has it.
struct ValidatedFlops {
  std::string what, source;
  FlopConvention convention = FlopConvention::causal;
  double published = 0, counted = 0;
  static constexpr double kBar = 0.01;
  bool passed() const { return std::abs(counted / published - 1) <= kBar; }
};

struct Validation {
  std::vector<Factor> factors;
  std::vector<ValidatedRun> runs;
  std::vector<ValidatedGroup> groups;
  std::vector<ValidatedOrder> orders;
  std::vector<ValidatedFlops> flops;
  bool passed() const;
};

/// Of the shipped runs.
Validation validate_shipped();
/// Of runs from elsewhere, none of which was fitted: `calibration` is the shipped rows'.
Validation validate_runs(const PublishedRuns&, const Calibration&);

/// Root mean square of leave-one-out errors on the calibrating rows of a generation and precision; of all groups'
/// errors where there are fewer than three.  `source` says which.
double leave_one_out_rms(int generation, Precision, std::string* source);

}  // namespace assay
