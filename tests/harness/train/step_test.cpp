// The step of hand-written kernels: its gradients, its bits, what it learns, and that a share of the batch on each of
// several ranks trains the same model.
#include "harness/train/step.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "harness/train/verify.h"
#include "tests/harness/train/training.h"

namespace assay {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

class Trainer {
 public:
  explicit Trainer(const TrainSetup& setup, int threads = 2, const char* kernels = "step_cpu",
                   const ProgramMaker& make = make_program)
      : backend_(make_cpu_backend(threads)),
        communicator_(make_single_communicator()),
        step_(setup, *find_step_kernels(kernels), *backend_, *communicator_, make) {}
  TrainStep& step() { return step_; }
  Communicator& communicator() { return *communicator_; }
  Backend& backend() { return *backend_; }

 private:
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Communicator> communicator_;
  TrainStep step_;
};

/// What the workload checks of the gradients, on parameters that make no part of the model nearly linear.
Check gradient_check(const TrainSetup& setup) {
  Trainer trainer(setup);
  std::vector<double> w = lively_parameters(trainer.step().layout());
  trainer.step().set_parameters(w);
  trainer.step().run_gradients();
  Check check;
  compare_gradients(check, trainer.step());
  compare_slope(check, trainer.step(), trainer.communicator());
  return check;
}

std::vector<double> losses_of(const TrainSetup& setup, int steps, int threads = 2) {
  Trainer trainer(setup, threads);
  for (int i = 0; i < steps; ++i) trainer.step().run();
  return trainer.step().losses();
}

TEST(TrainStep, GradientsAreTheReferences) {
  const Check check = gradient_check(small_setup());
  EXPECT_TRUE(check.ok()) << check.describe();
  EXPECT_GT(check.elements, 40000);
  EXPECT_GT(check.error_over_allowed, 0.001) << "the bound is loose";
}

TEST(TrainStep, GradientsAreTheReferencesInSixteenBits) {
  TrainSetup setup = small_setup();
  setup.dtype = DType::bf16;
  Trainer trainer(setup);  // as it starts: larger parameters turn roundings into chaos
  trainer.step().run_gradients();
  Check check;
  compare_gradients(check, trainer.step());
  compare_slope(check, trainer.step(), trainer.communicator());
  EXPECT_TRUE(check.ok()) << check.describe();
  EXPECT_GT(check.error_over_allowed, 0.01) << "the bound is loose";
}

/// Each planted fault moves one gradient by a tenth of its tensor's typical size.
TEST(TrainStep, AWrongGradientIsFound) {
  const TrainSetup setup = small_setup();
  Trainer trainer(setup);
  trainer.step().run_gradients();
  Check check;
  compare_gradients(check, trainer.step());
  ASSERT_TRUE(check.ok()) << check.describe();
  // The same gradients on parameters of which one element differs.
  std::vector<double> w = trainer.step().parameters();
  w[std::size_t(trainer.step().layout().layers[1].qkv.offset)] += 0.5;
  trainer.step().set_parameters(w);
  Check moved;
  compare_gradients(moved, trainer.step());
  EXPECT_FALSE(moved.ok());
}

/// What the workload checks of the update; `make` may plant a mistake in it.
Check update_check(const TrainSetup& setup, const ProgramMaker& make = make_program) {
  Trainer trainer(setup, 2, "step_cpu", make);
  Check check;
  compare_update(check, trainer.step(), trainer.communicator());
  return check;
}

TEST(TrainStep, TheUpdateIsAdamWs) {
  TrainSetup setup = small_setup();
  std::int64_t parameters = 0;
  const ParameterLayout layout(setup.model);  // all() points into it
  for (const ParameterTensor* tensor : layout.all()) parameters += tensor->count();
  for (const DType dtype : {DType::f32, DType::bf16}) {
    setup.dtype = dtype;
    const Check check = update_check(setup);
    EXPECT_TRUE(check.ok()) << check.describe();
    EXPECT_EQ(check.elements, 2 + (dtype == DType::f32 ? 3 : 4) * parameters);
  }
}

/// The program of another setup than the one that the step is checked against.
ProgramMaker with(void (*mistake)(OptimizerSettings&)) {
  return [mistake](const TrainSetup& setup, const StepKernels& kernels, const StepTensors& tensors, Backend& backend,
                   Communicator& communicator) {
    TrainSetup other = setup;
    mistake(other.optimizer);
    return make_program(other, kernels, tensors, backend, communicator);
  };
}

TEST(TrainStep, AWrongUpdateIsFoundAndNamed) {
  const Check betas = update_check(small_setup(), with([](OptimizerSettings& o) { std::swap(o.beta1, o.beta2); }));
  EXPECT_FALSE(betas.ok());
  EXPECT_THAT(betas.describe(), HasSubstr("after AdamW"));
  EXPECT_THAT(betas.describe(), ContainsRegex("(moment|master) of [a-z0-9 _]+\\[[0-9]+, [0-9]+\\]"));
  const Check epsilon = update_check(small_setup(), with([](OptimizerSettings& o) { o.epsilon *= 10; }));
  EXPECT_FALSE(epsilon.ok());
  EXPECT_THAT(epsilon.describe(), HasSubstr("master of"));
  const Check clip = update_check(small_setup(), with([](OptimizerSettings& o) { o.max_norm *= 0.5F; }));
  EXPECT_FALSE(clip.ok());
  EXPECT_THAT(clip.describe(), HasSubstr("factor that clips the gradients"));
}

TEST(TrainStep, AGainThatDecaysIsFound) {
  const Check check =
      update_check(small_setup(), [](const TrainSetup& setup, const StepKernels& kernels, const StepTensors& tensors,
                                     Backend& backend, Communicator& communicator) {
        StepTensors wrong = tensors;
        wrong.step_gains = wrong.step_decayed;
        return make_program(setup, kernels, wrong, backend, communicator);
      });
  EXPECT_FALSE(check.ok());
  EXPECT_THAT(check.describe(), HasSubstr("norm[0, "));
}

TEST(TrainStep, CheckpointingChangesNoBit) {
  TrainSetup setup = small_setup();
  const std::vector<double> kept = losses_of(setup, 4);
  for (const Checkpointing one : {Checkpointing::selective, Checkpointing::full}) {
    setup.checkpointing = one;
    EXPECT_EQ(losses_of(setup, 4), kept) << name(one);
  }
}

TEST(TrainStep, HasTheSameBitsAgainAndWithOtherThreads) {
  const TrainSetup setup = small_setup();
  std::vector<float> first;
  for (const int threads : {1, 2, 3}) {
    Trainer trainer(setup, threads);
    trainer.step().run_gradients();
    const std::vector<float> got = trainer.step().gradients();
    if (first.empty()) first = got;
    for (const ParameterTensor* tensor : trainer.step().layout().all())
      EXPECT_TRUE(std::equal(got.begin() + tensor->offset, got.begin() + tensor->offset + tensor->count(),
                             first.begin() + tensor->offset))
          << "gradient of " << tensor->name << " with " << threads << " threads";
  }
  std::set<std::string> states;
  for (const int threads : {1, 2, 3}) {
    Trainer trainer(setup, threads);
    for (int i = 0; i < 4; ++i) trainer.step().run();
    states.insert(trainer.step().state_digest());
    trainer.step().reset();
    for (int i = 0; i < 4; ++i) trainer.step().run();
    states.insert(trainer.step().state_digest());
  }
  EXPECT_EQ(states.size(), 1U);
}

TEST(TrainStep, EveryStepIsAnotherBatchAndAnotherModel) {
  Trainer trainer(small_setup());
  std::set<std::string> states{trainer.step().state_digest()};
  std::set<std::vector<std::int32_t>> batches{trainer.step().next_batch().tokens};
  for (int i = 0; i < 3; ++i) {
    trainer.step().run();
    states.insert(trainer.step().state_digest());
    batches.insert(trainer.step().next_batch().tokens);
  }
  EXPECT_EQ(states.size(), 4U);
  EXPECT_EQ(batches.size(), 4U);
}

/// From ln 256 = 5.55, the bytes' entropy of 2.8 is what a model reaches that knows only how frequent each is: below
/// it, it has learnt from context.  No model goes below what the grammar leaves open.
TEST(TrainStep, LearnsFromContextWhatTheCorpusTeaches) {
  TrainSetup setup = small_setup();
  setup.model.layers = 2, setup.model.hidden = 64, setup.model.feed_forward = 160, setup.batch = 8, setup.sequence = 48;
  setup.optimizer.learning_rate = 3e-3;
  Trainer trainer(setup, 1);  // so small that threads would wait more than compute
  for (int i = 0; i < 150; ++i) trainer.step().run();
  const std::vector<double>& losses = trainer.step().losses();
  EXPECT_NEAR(losses.front(), std::log(256.0), 0.1);
  const double last = (losses[147] + losses[148] + losses[149]) / 3;
  EXPECT_LT(last, trainer.step().corpus().unigram_entropy() - 0.3);
  EXPECT_GT(last, trainer.step().corpus().entropy_per_byte());
}

/// Without an update nothing falls: the bound that the workload holds losses to can be missed.
TEST(TrainStep, DoesNotLearnWithoutALearningRate) {
  TrainSetup setup = small_setup();
  setup.optimizer.learning_rate = 0;
  const std::vector<double> losses = losses_of(setup, kLearningSteps);
  EXPECT_GT(losses.back(), learnt_loss(Corpus(setup.seed), losses.front()));
}

/// Rank 0 of two, of which the other says `theirs`.
class BesideAnother final : public Communicator {
 public:
  explicit BesideAnother(std::string theirs) : theirs_(std::move(theirs)) {}
  int rank() const override { return 0; }
  int size() const override { return 2; }
  void barrier() override {}
  double maximum(double value) override { return value; }
  double broadcast(double value) override { return value; }
  std::string broadcast(const std::string& text) override { return text; }
  std::vector<std::string> gather(const std::string& text) override { return {text, theirs_}; }
  std::string group_name() const override { return "two"; }

 private:
  std::string theirs_;
};

// A loss that is no number on one rank is none of the step's.
TEST(TrainStep, OneRanksNaNIsTheMeans) {
  BesideAnother sick("nan 3 "), brief("5 "), well("5 3 ");
  const std::vector<double> mine = {1, 1};
  EXPECT_TRUE(std::isnan(mean_over_ranks(sick, mine)[0]));
  EXPECT_EQ(mean_over_ranks(sick, mine)[1], 2);
  EXPECT_TRUE(std::isnan(mean_over_ranks(brief, mine)[1]));
  EXPECT_THAT(mean_over_ranks(well, mine), testing::ElementsAre(3, 2));
}

}  // namespace
}  // namespace assay
