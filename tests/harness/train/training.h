// Small models for the tests of training.
#pragma once
#include <vector>

#include "harness/train/setup.h"
#include "harness/verify/fill.h"

namespace assay {

/// Two layers with grouped queries: everything a larger one has.
inline TrainModel small_model() {
  TrainModel m;
  m.layers = 2, m.hidden = 32, m.heads = 4, m.kv_heads = 2, m.head_dim = 32, m.feed_forward = 48, m.vocabulary = 256;
  return m;
}

inline TrainSetup small_setup() {
  TrainSetup setup;
  setup.model = small_model();
  setup.batch = 4, setup.sequence = 24;
  return setup;
}

/// Larger than initial ones, so that no part of the model is nearly linear; gains around 1.
inline std::vector<double> lively_parameters(const ParameterLayout& layout) {
  std::vector<double> out(static_cast<std::size_t>(layout.size), 0.0);
  for (const ParameterTensor* tensor : layout.all())
    for (std::int64_t i = 0; i < tensor->count(); ++i) {
      const double drawn = fill_value(Fill::normal, 7, std::uint64_t(tensor->offset), i);
      out[std::size_t(tensor->offset + i)] = tensor->deviation > 0 ? 0.3 * drawn : 1 + 0.2 * drawn;
    }
  return out;
}

}  // namespace assay
