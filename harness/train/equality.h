// Whether a GPU trains what a CPU trains: the losses of the first steps of both, from the same parameters on the same
// text.
#pragma once
#include <vector>

#include "harness/communicators/communicator.h"
#include "harness/train/setup.h"
#include "harness/verify/check.h"
#include "kernels/common/kernel.h"

namespace assay {

/// Steps that are compared.  Beyond them the two are two runs of the same training, not the same run.
inline constexpr std::int64_t kStepsBesideCpu = 5;
/// Multiply-adds that the CPU's steps may cost together: some seconds of a few cores.
inline constexpr double kCpuStepsBudget = 2e11;

/// How far apart two losses of one step may be, of which `loss` is one and `first` that of the first step.  Each of the
/// two computations has its logits right to e = allowed_gradient_error() of their size (what a path through the model
/// gathers of roundings on its way up is no more than what gradients gather on their way up and down; e has the factor
/// for several deviations), and a token's loss moves by no more than sqrt(2) times a logit.  Logits start at
/// s = head's deviation sqrt(hidden), since what the head reads is normalised, and have moved since by about what the
/// loss has; what the loss has moved by is itself the work of gradients that are right to e.  Errors of different
/// tokens, and of the two computations, are independent:
///   2 e (s + 2 |first - loss|) / sqrt(tokens)
/// In bf16 that is for the tiny model and 1024 tokens 0.002 at the start and 0.04 when the loss has fallen by 3, in f32
/// a thousandth of it.
double allowed_loss_difference(const TrainSetup&, double first, double loss);

struct BesideCpu {
  std::vector<Detail> details;  // the largest difference as loss_difference_from_cpu, or why there is none
  std::vector<double> losses;   // the CPU's, of the steps that were compared; rank 0's
};

/// `losses`: a GPU's, from the initial parameters, the mean over all ranks.  Rank 0 trains the same by hand-written CPU
/// kernels, the whole batch of all ranks, and compares; the others wait.  Nothing on a CPU.  Collective.
BesideCpu compare_with_cpu(Check&, const TrainSetup&, const std::vector<double>& losses, const Target&, Communicator&);

}  // namespace assay
