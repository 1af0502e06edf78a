#include "harness/train/verify.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include <fmt/format.h>

#include "harness/verify/random.h"

namespace assay {
namespace {

// Of one layer, forward and backward: norm, product, rope, attention, product, sum, norm, product, SwiGLU, product,
// sum.
constexpr double kStagesPerLayer = 22;
constexpr std::uint64_t kMovedStream = 3;  // of the seed's random numbers; the corpus has 1 and 2
constexpr double kDeviations = 6;          // beyond which one of 1e8 normal numbers lies

// Parameters move by about this much of themselves: two steps of bf16's, so that they do not round back.
constexpr double kMove = 1.0 / 64;
// The loss moves by about this much on each side: far more than its rounding, far less than what bends it.
constexpr double kSlopeStep = 0.02;
// What is left of the bend, and in bf16 of the roundings of all activations, which another loss has otherwise.
double slope_tolerance(DType dtype) { return dtype == DType::f32 ? 0.03 : 0.15; }

/// Parameters moved along their gradients, as stored: some of them, so that the loss moves by kSlopeStep.
struct Moved {
  std::vector<double> up, down;
  double expected = 0;  // what the loss moves by between the two, to first order
};

Moved moved(const TrainStep& step, const std::vector<double>& w, const std::vector<float>& g) {
  double all = 0;  // were every parameter moved
  for (std::size_t i = 0; i < w.size(); ++i) all += std::abs(double(g[i]) * w[i]) * kMove;
  const RandomStream random(step.setup().seed, kMovedStream);
  const double share = std::min(1.0, kSlopeStep / all);
  Moved out{w, w, 0};
  for (std::size_t i = 0; i < w.size(); ++i) {
    if (double(random.bits(i)) >= share * 0x1p64) continue;
    const double by = (g[i] < 0 ? -1 : 1) * std::abs(w[i]) * kMove;
    out.up[i] = round_to(step.setup().dtype, w[i] + by);
    out.down[i] = round_to(step.setup().dtype, w[i] - by);
    out.expected += double(g[i]) * (out.up[i] - out.down[i]);
  }
  return out;
}

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

GradientCoverage compare_gradients(Check& check, const TrainStep& step) {
  GradientCoverage out{0, 0, step.setup().tokens(), step.setup().tokens()};
  const ReferenceGradients reference = reference_gradients(step.setup().model, step.parameters(), step.next_batch());
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
    out.elements += tensor->count(), out.of_elements += tensor->count();
  }
  return out;
}

void compare_slope(Check& check, TrainStep& step, Communicator& communicator) {
  const std::vector<double> w = step.parameters();
  const Moved way = moved(step, w, step.gradients());
  const auto loss_at = [&](const std::vector<double>& parameters) {
    step.set_parameters(parameters);
    return mean_over_ranks(communicator, {step.forward_loss()})[0];
  };
  const double change = loss_at(way.up) - loss_at(way.down);
  step.set_parameters(w);
  check.compare(change, way.expected, slope_tolerance(step.setup().dtype) * way.expected,
                [] { return std::string("change of the loss along its gradient"); });
}

std::vector<double> mean_over_ranks(Communicator& communicator, const std::vector<double>& mine) {
  if (communicator.size() == 1) return mine;
  std::string text;
  for (const double one : mine) text += fmt::format("{:.17g} ", one);
  std::vector<double> mean(mine.size(), 0.0);
  for (const std::string& of_rank : communicator.gather(text)) {
    std::istringstream in(of_rank);
    for (double& sum : mean) {
      // By the word: operator>> reads "nan" as 0, and a rank's NaN would be a loss that fell.
      std::string word;
      in >> word;
      sum += (word.empty() ? NAN : std::stod(word)) / double(communicator.size());
    }
  }
  return mean;
}

double learnt_loss(const Corpus& corpus, double first) { return (first + corpus.unigram_entropy()) / 2; }

}  // namespace assay
