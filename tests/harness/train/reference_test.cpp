// The fp64 step against finite differences of its own loss: what every other check of training rests on.
#include "harness/train/reference.h"

#include <gtest/gtest.h>

#include <cmath>

#include "harness/train/corpus.h"
#include "tests/harness/train/training.h"

namespace assay {
namespace {

TrainBatch batch_of(const TrainSetup& setup) {
  TrainBatch out{setup.batch, setup.sequence, {}, {}};
  for (std::int64_t b = 0; b < setup.batch; ++b) {
    const Corpus::Sample sample = Corpus(1).sample(0, setup.batch, b, setup.sequence);
    out.tokens.insert(out.tokens.end(), sample.tokens.begin(), sample.tokens.end());
    out.targets.insert(out.targets.end(), sample.targets.begin(), sample.targets.end());
  }
  return out;
}

/// Every parameter tensor, at elements spread over it.  Central differences of step e are off by e^2 f'''/6 and by
/// rounding, 1e-16 f / e: at e = 1e-4 both are some 1e-8 of gradients that here reach 0.1.
TEST(ReferenceGradients, AreTheFiniteDifferencesOfTheLoss) {
  TrainSetup setup = small_setup();
  setup.batch = 2, setup.sequence = 12;
  const ParameterLayout layout(setup.model);
  std::vector<double> w = lively_parameters(layout);
  const TrainBatch batch = batch_of(setup);
  const ReferenceGradients got = reference_gradients(setup.model, w, batch);
  EXPECT_NEAR(got.loss, reference_loss(setup.model, w, batch), 1e-12);
  constexpr double kStep = 1e-4;
  for (const ParameterTensor* tensor : layout.all()) {
    double largest = 0;
    for (std::int64_t n = 0; n < 8; ++n) {
      std::int64_t i = tensor->offset + (n * 7919 + 13) % tensor->count();
      // Rows of the embedding that no token names have no gradient: look at those of the first tokens.
      if (tensor == layout.all().front()) i = tensor->offset + batch.tokens[std::size_t(n)] * tensor->columns + n;
      const auto at = std::size_t(i);
      const double kept = w[at];
      w[at] = kept + kStep;
      const double above = reference_loss(setup.model, w, batch);
      w[at] = kept - kStep;
      const double below = reference_loss(setup.model, w, batch);
      w[at] = kept;
      EXPECT_NEAR(got.gradients[at], (above - below) / (2 * kStep), 1e-6) << tensor->name << " element " << i;
      largest = std::max(largest, std::abs(got.gradients[at]));
    }
    EXPECT_GT(largest, 1e-4) << tensor->name << ": gradients too small to tell";
  }
}

/// At the start every word is nearly as likely as any other: logits deviate by 0.02 sqrt(32) = 0.11.
TEST(ReferenceLoss, StartsAtTheLogarithmOfTheVocabulary) {
  const TrainSetup setup = small_setup();
  const ParameterLayout layout(setup.model);
  std::vector<double> w(std::size_t(layout.size), 0.0);
  for (const ParameterTensor* tensor : layout.all())
    for (std::int64_t i = 0; i < tensor->count(); ++i)
      w[std::size_t(tensor->offset + i)] =
          tensor->deviation > 0 ? tensor->deviation * fill_value(Fill::normal, 1, std::uint64_t(tensor->offset), i) : 1;
  EXPECT_NEAR(reference_loss(setup.model, w, batch_of(setup)), std::log(256.0), 0.1);
}

}  // namespace
}  // namespace assay
