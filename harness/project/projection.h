// One configuration, projected: time, memory, goodput and money, each with its interval.
#pragma once
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "harness/project/calibration.h"
#include "harness/project/goodput.h"
#include "harness/project/memory.h"
#include "harness/project/validation.h"

namespace assay {

struct ProjectionInput {
  TrainingPlan plan;
  Hardware hardware;
  Cluster cluster;
  bool has_cluster = true;  // false: a machine of its own, nothing known of failures
  Shares shares;            // calibrated (calibration.h)
  Recovery recovery;
  std::optional<double> tokens;  // of the whole run
  ErrorBand error{0.1, 0.1};     // of step times, 90 % (projection_error)
  std::string error_source;
  std::vector<std::string> notes;
};

/// 90 %.
struct Range {
  double low = 0, value = 0, high = 0;
};

struct Projection {
  Memory memory;
  StepTime step;
  double step_low = 0, step_high = 0;   // seconds
  std::array<double, 4> model_flops{};  // FLOP/s of one GPU, in the order of kFlopConventions
  Goodput goodput;
  std::optional<Bill> bill, bill_low, bill_high;  // low: if the step takes step_low

  Range seconds() const { return {step_low, step.total(), step_high}; }
};

/// 90 % of projected step times: what published runs of the kind (dense, or with experts) tell (error_band), in
/// quadrature with 1.645 spreads of what was measured and, for the kernels that were not, errors of their model.
ErrorBand projection_error(const TrainingPlan&, const Hardware&, const Shares&, std::string* source);

/// Weights, gradients and optimizer that would not fit even if split over all GPUs, with how many would hold them;
/// empty where they would.
std::string states_problem(const TrainingPlan&, const Hardware&);

/// How far memory may exceed a GPU's before it is refused: the formulas' own error (facts of validation: 8 %).
inline constexpr double kMemoryTolerance = 0.1;
/// InputError, with what would fit, where the plan's memory does not.
void expect_fits(const TrainingPlan&, const Hardware&);

/// What a reader should know of the plan that was chosen.
std::vector<std::string> plan_notes(const ProjectionInput&);

Projection project(const ProjectionInput&);

/// What a faster part would gain: the step's time with it over the time without, less 1.
struct Sensitivity {
  std::string part;
  double by_tenth = 0, doubled = 0;  // change of the step's time with 10 % more, with twice as much
};
std::vector<Sensitivity> sensitivity(const ProjectionInput&);

}  // namespace assay
