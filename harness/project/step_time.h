// Time of one optimizer step, by part.
#pragma once
#include "harness/project/layer_time.h"

namespace assay {

/// Seconds on the critical path; their sum is the step.
struct StepTime {
  double gemm = 0, attention = 0, stream = 0;  // of the busiest stage; stream: norms, activations, casts, loss
  double tensor = 0, context = 0, expert = 0, pipeline = 0, data = 0;  // exposed communication
  double bubble = 0;  // pipeline stages that wait for their first, or after their last microbatch
  double optimizer = 0, host = 0;
  double stragglers = 0;  // waiting for the slowest of many nodes
  double exposed() const { return tensor + context + expert + pipeline + data; }
  double total() const { return gemm + attention + stream + exposed() + bubble + optimizer + host + stragglers; }
  double bubble_share = 0;  // of the ideal time of a stage
  Coverage coverage;
};

/// Time that a stage waits in a step of m microbatches, given forward and backward of one.
///   1f1b        (p - 1) (F + B) / v     Narayanan et al. (arXiv 2104.04473, section 2.2)
///               With m < p a chunk waits until the first microbatch has come round all stages: p - m more of (F + B),
///               and (m - 1) / v in place of (p - 1) / v.
///   zero_bubble (p - 1) (F + B - 2 W)   ZB-H1 of Qi et al. (2401.10241, table 2); B with the weights' gradient W in
///   it.
///               With m < p only m - 1 of them are there to fill in: (p - 1) (F + B - W) - (m - 1) W
///   dual_pipe   (p / 2 - 1) (F&B + B - 3 W), F&B = max(F, B)   DeepSeek-V3 (2412.19437, table 2)
double bubble_seconds(const Parallelism&, double microbatches, double forward, double backward, double weight_gradient);

/// Straggling at n nodes: 1 + sigma sqrt(2 ln n), the expected maximum of n nodes' times of relative spread sigma.
double straggler_factor(double nodes, double sigma);

StepTime step_time(const TrainingPlan&, const Hardware&, const Shares&);

/// Bytes moved by the optimizer for one parameter: gradient, master copy, two moments read; three and the bf16 weight
/// written; fp32.
inline constexpr double kOptimizerBytes = 30;
inline constexpr double kStragglerSigma = 0.003;  // relative spread of nodes' step times, where it was not measured

}  // namespace assay
