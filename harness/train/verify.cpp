#include "harness/train/verify.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include <fmt/format.h>

namespace assay {
namespace {

// Of one layer, forward and backward: norm, product, rope, attention, product, sum, norm, product, SwiGLU, product, sum.
constexpr double kStagesPerLayer = 22;
constexpr double kDeviations = 6;  // beyond which one of 1e8 normal numbers lies

// The loss moves by about this much on each side: far more than its rounding (1e-6 of it in fp32), far less than what
// bends it.
constexpr double kSlopeStep = 0.01;
// What is left of the third derivative, and in 16 bits of parameters that round to the same number.
double slope_tolerance(DType dtype) { return dtype == DType::f32 ? 0.02 : 0.1; }

}  // namespace

double reference_cost(const TrainSetup& setup) {
  return training_flops(setup.model.transformer(), double(setup.sequence), FlopConvention::causal) / 2 *
         double(setup.tokens());
}

double allowed_gradient_error(const TrainSetup& setup) {
  const TrainModel& m = setup.model;
  const double longest = double(std::max({m.hidden, m.q_width(), 2 * m.feed_forward, m.vocabulary, setup.tokens()}));
  const double stages = kStagesPerLayer * double(m.layers);
  const double stored = unit_roundoff(setup.dtype), summed = std::sqrt(longest) * unit_roundoff(DType::f32);
  return kDeviations * std::sqrt(stages) * (stored + summed);
}

void compare_gradients(Check& check, const TrainStep& step) {
  const ReferenceGradients reference =
      reference_gradients(step.setup().model, step.parameters(), step.next_batch());
  const std::vector<float> got = step.gradients();
  const double relative = allowed_gradient_error(step.setup());
  for (const ParameterTensor* tensor : step.layout().all()) {
    const double* expected = reference.gradients.data() + tensor->offset;
    double squares = 0;
    for (std::int64_t i = 0; i < tensor->count(); ++i) squares += expected[i] * expected[i];
    const double typical = std::sqrt(squares / double(tensor->count()));
    for (std::int64_t i = 0; i < tensor->count(); ++i)
      check.compare(double(got[std::size_t(tensor->offset + i)]), expected[i],
                    relative * std::max(typical, std::abs(expected[i])), [&] {
                      return fmt::format("gradient of {}[{}, {}]", tensor->name, i / tensor->columns,
                                         i % tensor->columns);
                    });
  }
}

void compare_slope(Check& check, TrainStep& step, Communicator& communicator) {
  const std::vector<float> g = step.gradients();
  const std::vector<double> w = step.parameters();
  double squares = 0;
  for (const float one : g) squares += double(one) * double(one);
  const double length = kSlopeStep / squares;
  const auto loss_at = [&](double along) {
    std::vector<double> moved = w;
    for (std::size_t i = 0; i < w.size(); ++i) moved[i] += along * double(g[i]);
    step.set_parameters(moved);
    return mean_over_ranks(communicator, {step.forward_loss()})[0];
  };
  const double slope = (loss_at(length) - loss_at(-length)) / (2 * length);
  step.set_parameters(w);
  check.compare(slope, squares, slope_tolerance(step.setup().dtype) * squares,
                [] { return std::string("slope of the loss along its gradient"); });
}

std::vector<double> mean_over_ranks(Communicator& communicator, const std::vector<double>& mine) {
  if (communicator.size() == 1) return mine;
  std::string text;
  for (const double one : mine) text += fmt::format("{:.17g} ", one);
  std::vector<double> mean(mine.size(), 0.0);
  for (const std::string& of_rank : communicator.gather(text)) {
    std::istringstream in(of_rank);
    for (double& sum : mean) {
      double one = NAN;
      in >> one;
      sum += one / double(communicator.size());
    }
  }
  return mean;
}

double learnt_loss(const Corpus& corpus, double first) { return (first + corpus.unigram_entropy()) / 2; }

}  // namespace assay
