// A training step in fp64, written as the formulas are and nothing like the kernels: the oracle of small models,
// and of large ones on a few tokens.  Parameters and gradients are flat arrays as ParameterLayout has them.
#pragma once
#include <cstdint>
#include <vector>

#include "harness/train/model.h"

namespace assay {

/// Sequences of one step: `tokens` and `targets` are [batch, sequence].
struct TrainBatch {
  std::int64_t batch = 1, sequence = 1;
  std::vector<std::int32_t> tokens, targets;

  std::int64_t size() const { return batch * sequence; }
};

/// The mean cross-entropy of the batch.
double reference_loss(const TrainModel&, const std::vector<double>& parameters, const TrainBatch&);

struct ReferenceGradients {
  double loss = 0;
  std::vector<double> gradients;  // of the mean loss
};
ReferenceGradients reference_gradients(const TrainModel&, const std::vector<double>& parameters, const TrainBatch&);

/// Some elements of one tensor's gradient.
struct GradientSample {
  const ParameterTensor* tensor = nullptr;
  std::vector<std::int64_t> elements;  // of the tensor, row-major
  std::vector<double> values;          // of the mean loss
  /// What each is off by, over the relative error of what it is computed from.  An element is a sum of products over
  /// tokens, and a factor's error is relative to itself or to what is usual where it comes from, whichever is larger:
  /// the root of the sum of squares of the products of those.
  std::vector<double> sizes;
};
/// Fills in `values` and `sizes` of all tensors' samples, without what the other elements cost.  The loss.
double reference_gradients(const TrainModel&, const std::vector<double>& parameters, const TrainBatch&,
                           std::vector<GradientSample>&);

}  // namespace assay
