// Gradients of models that fp64 cannot follow through all of a batch.
//
// A causal model's loss at a token depends on the tokens before it in its sequence and on nothing else: of the loss of
// some sequences' first tokens, the fp64 step on those tokens alone has the exact gradients.  The step under test runs
// its whole batch, at its own shapes, with the gradients of all other logits set to zero.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "harness/train/verify.h"
#include "harness/verify/random.h"

namespace assay {
namespace {

constexpr std::uint64_t kSampleStream = 4;  // of the seed's random numbers; verify.cpp has 3
// Of fewer tokens, attention's probabilities are of one or two keys.
constexpr std::int64_t kFewestTokens = 16;
// Sequences lie far apart in the batch, and on several ranks where there are several.
constexpr std::int64_t kMostSequences = 4;

/// The first `length` tokens of some sequences.
struct Prefixes {
  std::vector<std::int64_t> sequences;
  std::int64_t length = 0;
};

Prefixes prefixes(const TrainSetup& setup, double budget) {
  const double affordable = budget / (reference_cost(setup) / double(setup.tokens()));
  const double tokens = std::clamp(affordable, double(kFewestTokens), double(std::max(kFewestTokens, setup.tokens())));
  const std::int64_t count = std::min(setup.batch, kMostSequences);
  Prefixes out;
  for (std::int64_t i = 0; i < count; ++i) out.sequences.push_back(i * setup.batch / count);
  out.length = std::clamp(std::int64_t(tokens) / count, std::int64_t(1), setup.sequence);
  return out;
}

TrainBatch batch_of(const TrainBatch& whole, const Prefixes& p) {
  TrainBatch out{std::int64_t(p.sequences.size()), p.length, {}, {}};
  for (const std::int64_t sequence : p.sequences) {
    const auto at = sequence * whole.sequence;
    out.tokens.insert(out.tokens.end(), whole.tokens.begin() + at, whole.tokens.begin() + at + p.length);
    out.targets.insert(out.targets.end(), whole.targets.begin() + at, whole.targets.begin() + at + p.length);
  }
  return out;
}

std::vector<std::int64_t> places(const Prefixes& p, std::int64_t sequence) {
  std::vector<std::int64_t> out;
  for (const std::int64_t one : p.sequences)
    for (std::int64_t i = 0; i < p.length; ++i) out.push_back(one * sequence + i);
  return out;
}

/// Every other one in a row of `rows`, where there are any.
std::vector<std::int64_t> elements_of(const ParameterTensor& tensor, const std::vector<std::int32_t>& rows,
                                      std::uint64_t seed) {
  std::vector<std::int64_t> out;
  if (tensor.count() <= kSampledElements) {
    for (std::int64_t i = 0; i < tensor.count(); ++i) out.push_back(i);
    return out;
  }
  const RandomStream random(seed + std::uint64_t(tensor.offset), kSampleStream);
  out = {0, tensor.count() - 1};
  for (std::uint64_t draw = 0; std::int64_t(out.size()) < kSampledElements; ++draw) {
    const auto any = std::int64_t(random.bits(draw) % std::uint64_t(tensor.count()));
    const bool chosen = !rows.empty() && draw % 2 == 1;
    out.push_back(chosen ? rows[std::size_t(any) % rows.size()] * tensor.columns + any % tensor.columns : any);
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

/// Of the embedding and the head, rows of other words than the batch's have gradients of zero, or nearly.
std::vector<GradientSample> samples_of(const TrainStep& step, const TrainBatch& batch) {
  const ParameterLayout& layout = step.layout();
  std::vector<GradientSample> out;
  for (const ParameterTensor* tensor : layout.all()) {
    std::vector<std::int32_t> rows;
    if (tensor == &layout.embedding) rows = batch.tokens;
    if (tensor == &layout.head) rows = batch.targets;
    out.push_back({tensor, elements_of(*tensor, rows, step.setup().seed), {}, {}});
  }
  return out;
}

}  // namespace

GradientCoverage compare_sampled_gradients(Check& check, TrainStep& step, Communicator& communicator, double budget) {
  const TrainSetup& setup = step.setup();
  const Prefixes chosen = prefixes(setup, budget);
  const TrainBatch batch = batch_of(step.next_batch(), chosen);
  step.run_gradients_of(places(chosen, setup.sequence));
  if (!communicator.is_root()) return communicator.barrier(), GradientCoverage();
  std::vector<GradientSample> samples = samples_of(step, batch);
  reference_gradients(setup.model, step.parameters(), batch, samples);
  const std::vector<float> got = step.gradients();
  const double relative = allowed_gradient_error(setup);
  const double share = double(batch.size()) / double(setup.tokens());  // the reference's is the mean of its own tokens
  GradientCoverage out{0, 0, batch.size(), setup.tokens()};
  for (const GradientSample& sample : samples) {
    const ParameterTensor& tensor = *sample.tensor;
    for (std::size_t n = 0; n < sample.elements.size(); ++n) {
      const std::int64_t i = sample.elements[n];
      check.compare(double(got[std::size_t(tensor.offset + i)]), share * sample.values[n],
                    relative * share * sample.sizes[n], [&] {
                      return fmt::format("gradient of {}[{}, {}], of {} tokens' loss", tensor.name, i / tensor.columns,
                                         i % tensor.columns, batch.size());
                    });
    }
    out.elements += std::int64_t(sample.elements.size()), out.of_elements += tensor.count();
  }
  communicator.barrier();
  return out;
}

}  // namespace assay
