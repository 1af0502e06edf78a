// A training step in fp64, written as the formulas are and nothing like the kernels: the oracle of small models.
// Parameters and gradients are flat arrays as ParameterLayout has them.
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

}  // namespace assay
