// How far apart the losses of two computations of one training may be: as far as those of two types are, no further.
#include "harness/train/equality.h"

#include <gtest/gtest.h>

#include <cmath>

#include "harness/train/step.h"
#include "tests/harness/train/training.h"

namespace assay {
namespace {

std::vector<double> losses_of(const TrainSetup& setup) {
  const auto backend = make_cpu_backend(2);
  const auto communicator = make_single_communicator();
  TrainStep step(setup, *find_step_kernels("step_cpu"), *backend, *communicator);
  while (step.steps() < kStepsBesideCpu) step.run();
  return step.losses();
}

/// The largest difference over the allowed one.
double over_allowed(const TrainSetup& setup, const std::vector<double>& a, const std::vector<double>& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    largest = std::max(largest, std::abs(a[i] - b[i]) / allowed_loss_difference(setup, a[0], a[i]));
  return largest;
}

/// In f32 none of the roundings of bf16 happen: what is left is what they do.
TEST(LossDifference, OfAllRoundingsIsWithinTheBoundOfTheirType) {
  TrainSetup setup = small_setup();
  const std::vector<double> exact = losses_of(setup);
  setup.dtype = DType::bf16;
  const double error = over_allowed(setup, losses_of(setup), exact);
  EXPECT_LT(error, 1);
  EXPECT_GT(error, 0.01) << "the bound is loose";
}

TEST(LossDifference, OfAnotherTrainingIsBeyondTheBound) {
  TrainSetup setup = small_setup(), other = setup;
  setup.dtype = other.dtype = DType::bf16;
  const std::vector<double> expected = losses_of(setup);
  other.optimizer.learning_rate *= 1.2;
  EXPECT_GT(over_allowed(setup, losses_of(other), expected), 1);
  other = setup, other.model.kv_heads = other.model.heads;
  EXPECT_GT(over_allowed(setup, losses_of(other), expected), 1);
}

/// Whom it compares: a GPU's losses; a wrong one is the check's.
TEST(CompareWithCpu, HoldsAGpusLossesToTheCpus) {
  const TrainSetup setup = small_setup();
  const auto communicator = make_single_communicator();
  Target gpu;
  gpu.device = Device::gpu;
  std::vector<double> losses = losses_of(setup);
  Check same;
  const auto [details, expected] = compare_with_cpu(same, setup, losses, gpu, *communicator);
  EXPECT_TRUE(same.ok()) << same.describe();
  EXPECT_EQ(same.elements, kStepsBesideCpu);
  ASSERT_EQ(details.size(), 1U);
  EXPECT_EQ(details[0].name, "loss_difference_from_cpu");
  EXPECT_EQ(std::get<double>(details[0].value), 0);
  EXPECT_EQ(expected, losses);
  losses[3] += 0.01;
  Check wrong;
  compare_with_cpu(wrong, setup, losses, gpu, *communicator);
  EXPECT_FALSE(wrong.ok());
  losses[3] = NAN;
  Check none;
  compare_with_cpu(none, setup, losses, gpu, *communicator);
  EXPECT_FALSE(none.ok());
  EXPECT_TRUE(compare_with_cpu(none, setup, losses, {}, *communicator).details.empty());
}

TEST(CompareWithCpu, SaysWhereTheModelIsTooLarge) {
  TrainSetup setup = small_setup();
  setup.model.hidden = 4096, setup.model.vocabulary = 128256;
  Target gpu;
  gpu.device = Device::gpu;
  Check check;
  const auto details =
      compare_with_cpu(check, setup, std::vector<double>(30, 5.0), gpu, *make_single_communicator()).details;
  ASSERT_EQ(details.size(), 1U);
  EXPECT_FALSE(details[0].why.empty());
  EXPECT_EQ(check.elements, 0);
}

}  // namespace
}  // namespace assay
