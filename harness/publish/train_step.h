// What a training step's records say beyond their time, as text.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "harness/record/result.h"

namespace assay {

/// Rates and shares of one record of the `train_step` workload that is ok; from its samples and its details.
struct TrainStepSummary {
  std::string id;
  double seconds = 0;                           // median
  double tokens_per_second = 0;                 // of all ranks
  double flops_per_second = 0;                  // of one rank, causal
  std::optional<double> peak_flops_per_second;  // of one rank's units, measured beside the step
  std::string peak_kernel;
  std::string units;  // whose peak it is: "cores", "GPU"
  struct Utilisation {
    std::string convention;  // "full attention"
    double of_peak = 0;
  };
  std::vector<Utilisation> utilisations;  // none without a peak
  std::optional<double> tokens_per_joule;
  struct Part {
    std::string kernels;
    double seconds = 0;
  };
  std::vector<Part> parts;  // by kernel class, as they ran within the step
  struct Reduction {
    double alone_seconds = 0, exposed_seconds = 0, hidden = 0;  // hidden: of alone, 0 to 1
    double buckets = 0;                                         // beside backward; 0: after it
  };
  std::optional<Reduction> reduction;  // of gradients over ranks; none of one rank
  double projected_seconds = 0;        // from its kernels alone
  struct Interval {
    double low = 0, high = 0;
  };
  std::optional<Interval> projected_interval;  // 95 % of the median; none in older files
  struct Gradients {
    double compared = 0, of = 0, tokens = 0;  // elements beside fp64, of how many, of how many tokens' loss
  };
  std::optional<Gradients> gradients;  // none in older files
  double beside_seconds = 0;           // of a whole step, measured in turns with them
  double bytes = 0;                    // of one rank
  double activation_bytes = 0;
  double tokens = 0;  // of a step, over all ranks
  double first_loss = 0, last_loss = 0, steps = 0;
  std::optional<double> required_loss;        // what the last had to be below
  std::optional<double> least_loss;           // that the text allows
  std::optional<double> difference_from_cpu;  // the largest, of the steps that a CPU trained beside
  std::optional<LossCurve> losses;            // none in older results
};

/// In the order of the records.
std::vector<TrainStepSummary> train_steps(const Result&);

/// Markdown; empty where there is none.
std::string to_train_step_text(const Result&);

}  // namespace assay
