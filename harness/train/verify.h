// Whether a training step is right: its gradients against the fp64 step and against differences of its own loss, its
// update against fp64 AdamW, its bits against a repetition, and its loss against what the corpus can teach.
#pragma once
#include <string>
#include <vector>

#include "harness/communicators/communicator.h"
#include "harness/train/step.h"
#include "harness/verify/check.h"

namespace assay {

/// Multiply-adds in fp64 that comparing gradients with the fp64 step may cost: some seconds of two cores.  Of larger
/// models a sample is compared, of a few tokens' loss; they rest besides on differences of the loss, on repeated bits
/// and a falling loss, on the checks of each kernel by itself at such shapes, and on what the same launches give for a
/// small model.
inline constexpr double kReferenceBudget = 2e10;
/// What reference_gradients costs.
double reference_cost(const TrainSetup&);

/// Relative to the root mean square of a tensor's gradient (and to the element, where that is larger), how far a
/// gradient may be from the exact one.  Rounding errors on the way to it are independent: a path through the model
/// passes some kStagesPerLayer roundings of stored values a layer, each of relative size u of the type, and as many dot
/// products of up to K terms, each off by sqrt(K) u of fp32; independent errors add up as the root of their number.
/// Elements reach several deviations among a million, for which there is a factor.
double allowed_gradient_error(const TrainSetup&);

/// What of the gradients was compared with fp64.
struct GradientCoverage {
  std::int64_t elements = 0, of_elements = 0;  // of the model's parameters
  std::int64_t tokens = 0, of_tokens = 0;      // whose loss the gradients were of
};

/// Of the gradients that run_gradients() left, against the fp64 step on the parameters it used; all elements.
GradientCoverage compare_gradients(Check&, const TrainStep&);

/// Elements of each tensor that are compared of a large model: its first, its last and random ones; all of one that
/// has no more.
inline constexpr std::int64_t kSampledElements = 1024;
/// Runs the step's gradients of a few tokens' loss, those at the start of a few sequences, which see no other tokens:
/// so the fp64 step on them alone is exact, at a cost of as many tokens as `budget` has multiply-adds for (and at least
/// 16, or all).  Compares kSampledElements of every tensor, within allowed_gradient_error() of what each is computed
/// from (GradientSample::sizes).  Leaves those gradients.  Collective; rank 0 compares.
GradientCoverage compare_sampled_gradients(Check&, TrainStep&, Communicator&, double budget = kReferenceBudget);

/// Whether the loss changes along the gradient as the gradient says: L(w + d) - L(w - d) = 2 g d, where d moves some of
/// the parameters up their gradient.  Restores the parameters.  Collective; after run_gradients().
void compare_slope(Check&, TrainStep&, Communicator&);

/// Runs two steps from the start and compares what the second made of the first's state with fp64 AdamW: the norm of
/// the gradients that the step left, the factor that clips them, and of every tensor the moments, the master and
/// (exactly) the parameter, within reference_optimizer.cpp's errors of one step.  All elements, or as many of each
/// tensor, evenly spread, as kReferenceBudget allows.  Collective; rank 0 compares.
void compare_update(Check&, TrainStep&, const Communicator&);

/// The mean over ranks of what each has in its place.  Collective.
std::vector<double> mean_over_ranks(Communicator&, const std::vector<double>&);

/// Steps after which a loss must have fallen.
inline constexpr std::int64_t kLearningSteps = 30;
/// What the mean of the last five of the first kLearningSteps losses must be below: half-way from where it began to the
/// entropy of the corpus's bytes.  A model that learnt no more than how frequent bytes are passes; one whose gradients
/// point elsewhere, or that is not updated, does not.
double learnt_loss(const Corpus&, double first);

}  // namespace assay
