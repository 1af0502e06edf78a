// Gradients of a few tokens' loss, of which a sample is compared with fp64: the sample's arithmetic, and which faults
// it finds in a step.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "harness/train/step.h"
#include "harness/train/verify.h"
#include "tests/harness/train/rank_threads.h"
#include "tests/harness/train/training.h"

namespace assay {
namespace {

using ::testing::HasSubstr;

/// Tensors with more elements than are sampled.
TrainSetup larger_setup(DType dtype) {
  TrainSetup setup = small_setup();
  setup.model.hidden = 64, setup.model.feed_forward = 96, setup.dtype = dtype;
  return setup;
}

/// Of as few tokens as there may be.
Check sampled_check(const TrainSetup& setup, const ProgramMaker& make = make_program,
                    GradientCoverage* coverage = nullptr) {
  const auto backend = make_cpu_backend(2);
  const auto communicator = make_single_communicator();
  TrainStep step(setup, *find_step_kernels("step_cpu"), *backend, *communicator, make);
  if (setup.dtype == DType::f32) step.set_parameters(lively_parameters(step.layout()));
  Check check;
  const GradientCoverage got = compare_sampled_gradients(check, step, *communicator, 1);
  if (coverage) *coverage = got;
  return check;
}

TEST(SampledGradients, AreTheReferencesOwn) {
  const TrainSetup setup = larger_setup(DType::f32);
  const ParameterLayout layout(setup.model);
  const std::vector<double> w = lively_parameters(layout);
  TrainBatch batch{2, 5, {}, {}};
  for (std::int32_t i = 0; i < 10; ++i) batch.tokens.push_back(i * 7), batch.targets.push_back(i * 7 + 3);
  std::vector<GradientSample> samples;
  for (const ParameterTensor* tensor : layout.all()) {
    std::vector<std::int64_t> elements;
    for (std::int64_t i = 0; i < tensor->count(); i += 13) elements.push_back(i);
    samples.push_back({tensor, elements, {}, {}});
  }
  const ReferenceGradients all = reference_gradients(setup.model, w, batch);
  EXPECT_EQ(reference_gradients(setup.model, w, batch, samples), all.loss);
  for (const GradientSample& sample : samples)
    for (std::size_t n = 0; n < sample.elements.size(); ++n) {
      const double expected = all.gradients[std::size_t(sample.tensor->offset + sample.elements[n])];
      EXPECT_NEAR(sample.values[n], expected, 1e-12 * (1 + std::abs(expected))) << sample.tensor->name;
      EXPECT_GE(sample.sizes[n] * std::sqrt(10.0), std::abs(expected)) << "a sum of ten products";
    }
}

TEST(SampledGradients, OfARightStepAreRight) {
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const std::int64_t batch : {1, 6})
      for (const std::int64_t sequence : {24, 80}) {
        TrainSetup setup = larger_setup(dtype);
        setup.batch = batch, setup.sequence = sequence;
        GradientCoverage coverage;
        const Check check = sampled_check(setup, make_program, &coverage);
        EXPECT_TRUE(check.ok()) << check.describe();
        EXPECT_GT(check.error_over_allowed, dtype == DType::f32 ? 0.001 : 0.01) << "the bound is loose";
        EXPECT_EQ(check.elements, coverage.elements);
        EXPECT_EQ(coverage.tokens, 16);
        EXPECT_EQ(coverage.of_tokens, batch * sequence);
        EXPECT_GT(coverage.of_elements, 4 * coverage.elements);
        EXPECT_GT(coverage.elements, 8 * kSampledElements) << "of ten matrices, and gains";
      }
}

TEST(SampledGradients, OfALargeBudgetAreOfWholeSequences) {
  const TrainSetup setup = larger_setup(DType::f32);
  const auto backend = make_cpu_backend(1);
  const auto communicator = make_single_communicator();
  TrainStep step(setup, *find_step_kernels("step_cpu"), *backend, *communicator);
  Check check;
  EXPECT_EQ(compare_sampled_gradients(check, step, *communicator, 1e12).tokens, setup.tokens());
  EXPECT_TRUE(check.ok()) << check.describe();
}

/// After the launches of one `what` in some layer, `mistake` at that tensor's gradient.
ProgramMaker after(const std::string& what, const char* tensor,
                   void (*mistake)(const TrainModel&, const ParameterTensor&, float* gradient)) {
  return [=](const TrainSetup& setup, const StepKernels& kernels, const StepTensors& tensors, Backend& backend,
             Communicator& communicator) {
    StepProgram program = make_program(setup, kernels, tensors, backend, communicator);
    const ParameterLayout layout(setup.model);
    for (const ParameterTensor* one : layout.all())
      if (one->name == tensor)
        for (auto op = program.backward.rbegin(); op != program.backward.rend(); ++op)
          if (op->what == what) {  // the last of them: layer 0's
            op->launch = [launch = op->launch, mistake, model = setup.model, tensor = *one,
                          at = tensors.gradients + one->offset] {
              launch();
              mistake(model, tensor, at);
            };
            return program;
          }
    throw std::logic_error("no such launch or tensor");
  };
}

void expect_found(const ProgramMaker& planted, const char* where) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const Check check = sampled_check(larger_setup(dtype), planted);
    EXPECT_FALSE(check.ok()) << where;
    EXPECT_THAT(check.describe(), HasSubstr(std::string("gradient of ") + where));
    EXPECT_THAT(check.describe(), HasSubstr("of 16 tokens' loss"));
  }
}

TEST(SampledGradients, FindKeysTakenForValues) {
  expect_found(after("qkv wgrad", "layer 0 qkv",
                     [](const TrainModel& m, const ParameterTensor& t, float* g) {
                       float* const keys = g + m.q_width() * t.columns;
                       std::swap_ranges(keys, keys + m.kv_width() * t.columns, keys + m.kv_width() * t.columns);
                     }),
               "layer 0 qkv");
}

TEST(SampledGradients, FindAScaledGain) {
  expect_found(after("norm backward", "final norm",
                     [](const TrainModel&, const ParameterTensor& t, float* g) {
                       for (std::int64_t i = 0; i < t.count(); ++i) g[i] *= 1.25F;
                     }),
               "final norm");
}

/// Layer 0's backward pass leaves out its MLP: d_middle is what came by the skip connection.
TEST(SampledGradients, FindALayerLeftOut) {
  const auto left_out = [](const TrainSetup& setup, const StepKernels& kernels, const StepTensors& tensors,
                           Backend& backend, Communicator& communicator) {
    StepProgram program = make_program(setup, kernels, tensors, backend, communicator);
    std::size_t last = 0;
    for (std::size_t i = 0; i < program.backward.size(); ++i)
      if (program.backward[i].what == "gate_up wgrad") last = i;
    program.backward[last].launch = [] {};
    return program;
  };
  expect_found(left_out, "layer 0 gate_up");
}

TEST(SampledGradients, FindAnEmbeddingRowThatNoTokenNames) {
  expect_found(after("embedding backward", "embedding",
                     [](const TrainModel&, const ParameterTensor& t, float* g) { g[t.count() - 1] += 1e-20F; }),
               "embedding");
}

/// Each rank has its share of the sequences; what is compared is the sum.
TEST(SampledGradients, OfSeveralRanksAreTheWholes) {
  on_ranks(2, [](Communicator& communicator) {
    const auto backend = make_cpu_backend(1);
    TrainStep step(larger_setup(DType::f32), *find_step_kernels("step_cpu"), *backend, communicator);
    Check check;
    const GradientCoverage coverage = compare_sampled_gradients(check, step, communicator, 1);
    if (!communicator.is_root()) return;
    EXPECT_TRUE(check.ok()) << check.describe();
    EXPECT_EQ(coverage.tokens, 16);
  });
}

}  // namespace
}  // namespace assay
