// The projector against published runs: its own error, printed.
#pragma once
#include <string>
#include <vector>

#include "harness/project/calibration.h"

namespace assay {

/// Runs that projections miss alike.
enum class RunKind {
  dense,
  experts,
  short_experts,  // a layer of a microbatch takes less than kShortLayer: the host may launch it no faster
};
const char* name_of(RunKind);
/// Forward and backward.  Runs with experts whose layers are projected to take less are published as 1.1 to 3.7 times
/// as slow; above, as 0.8 to 1.4 times (--validate prints them all).
inline constexpr double kShortLayer = 10e-3;
RunKind kind_of(const TrainingPlan&, const Hardware&, const Shares&);

/// Of a projected time, 90 %: from seconds / (1 + faster) to seconds (1 + slower).
struct ErrorBand {
  double faster = 0, slower = 0;
  std::size_t rows = 0, sets = 0;  // that tell
};

struct ValidatedRun {
  const PublishedRun* run = nullptr;
  double projected_seconds = 0;  // by a fit without this row, where the row calibrates
  RunKind kind = RunKind::dense;
  ErrorBand band{};  // of the other groups' rows of its kind
  double error() const { return projected_seconds / run->step_seconds - 1; }
  bool inside() const {
    return run->step_seconds >= projected_seconds / (1 + band.faster) &&
           run->step_seconds <= projected_seconds * (1 + band.slower);
  }
};

struct ValidatedGroup {
  std::string name;
  std::size_t rows = 0;
  double mean_absolute = 0, worst = 0, bias = 0;  // relative
  std::size_t inside = 0;                         // rows in the interval that the other groups give
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

/// The 5th and 95th percentile of published over projected time on the rows of a kind, but for one group's; every group
/// weighs alike, as a plan is one of yet another group.  At least 1 in each direction.
ErrorBand error_band(const std::vector<ValidatedRun>&, RunKind, const std::string& without = "");
/// Of the shipped rows, made once (a fifth of a second).
const Validation& shipped_validation();

}  // namespace assay
