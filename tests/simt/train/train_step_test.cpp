// The training step of our CUDA kernels, launched through the CUDA runtime on the functional GPU, as the architecture
// that ASSAY_SIMT says: its gradients against fp64, its losses against the CPU's, its bits against a repetition.  In
// bf16 by the architecture's kernels, in f32 by those without tensor cores, which are the same for all.
#include <gtest/gtest.h>

#include "harness/train/equality.h"
#include "harness/train/step.h"
#include "harness/train/verify.h"
#include "kernels/layer/columns.h"

namespace assay {
namespace {

/// The smallest that has everything: grouped queries, two layers, tokens that fill no tile.
TrainSetup smallest() {
  TrainSetup setup;
  TrainModel& m = setup.model;
  m.layers = 2, m.hidden = 64, m.heads = 2, m.kv_heads = 1, m.head_dim = 64, m.feed_forward = 64, m.vocabulary = 128;
  setup.batch = 1, setup.sequence = 24, setup.dtype = DType::bf16;
  return setup;
}

TrainSetup smallest_in_f32() {
  TrainSetup setup = smallest();
  setup.dtype = DType::f32;
  return setup;
}

class Trainer {
 public:
  Trainer(const TrainSetup& setup, std::unique_ptr<Backend> backend, const char* kernels,
          const ProgramMaker& make = make_program)
      : backend_(std::move(backend)),
        communicator_(make_single_communicator()),
        step_(setup, *find_step_kernels(kernels), *backend_, *communicator_, make) {}
  TrainStep* operator->() { return &step_; }
  TrainStep& step() { return step_; }

 private:
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Communicator> communicator_;
  TrainStep step_;
};

Trainer on_gpu(const TrainSetup& setup, const ProgramMaker& make = make_program) {
  std::unique_ptr<Backend> backend = make_cuda_backend({0});
  const std::string kernels =
      setup.dtype == DType::f32 ? "step_simt" : "step_sm" + std::to_string(backend->target().compute_capability);
  return {setup, std::move(backend), kernels.c_str(), make};
}

/// The same step, but for the gradients of k and v, which change places on their way into the joint one.
StepProgram keys_for_values(const TrainSetup& s, const StepKernels& kernels, const StepTensors& t, Backend& backend,
                            Communicator& communicator) {
  StepProgram program = make_program(s, kernels, t, backend, communicator);
  const TrainModel& m = s.model;
  const ColumnsProblem p{ColumnsPass::merge, s.tokens(), {m.q_width(), m.kv_width(), m.kv_width()}, s.dtype};
  const ColumnsBuffers b{t.qkv, {t.d_q, t.d_v, t.d_k}};
  const Stream stream = backend.stream();
  const std::shared_ptr<ColumnsOperation> planted =
      find_kernel_row(columns_kernels(), "vector_sm80")->prepare(p, backend.target(), {b}, stream);
  for (StepOp& op : program.backward)
    if (op.what == "merge qkv") op.launch = [planted, b, stream] { planted->launch(b, stream); };
  return program;
}

TEST(TrainStepOnSimt, GradientsAreTheReferences) {
  Trainer gpu = on_gpu(smallest());
  gpu->run_gradients();
  Check check;
  compare_gradients(check, gpu.step());
  EXPECT_TRUE(check.ok()) << "wrong result: " << check.describe();
  EXPECT_GT(check.elements, 60000);
  EXPECT_GT(check.error_over_allowed, 0.01) << "the bound is loose";
}

TEST(TrainStepOnSimt, GradientsThatChangedPlacesAreFound) {
  Trainer gpu = on_gpu(smallest(), keys_for_values);
  gpu->run_gradients();
  Check check;
  compare_gradients(check, gpu.step());
  EXPECT_FALSE(check.ok());
  EXPECT_GT(check.error_over_allowed, 10);
}

void expect_losses_of_the_cpu_and_the_same_bits_again(const TrainSetup& setup, int steps) {
  Trainer gpu = on_gpu(setup), cpu(setup, make_cpu_backend(1), "step_cpu");
  for (int i = 0; i < steps; ++i) gpu->run(), cpu->run();
  const std::vector<double> got = gpu->losses(), expected = cpu->losses();
  ASSERT_EQ(got.size(), std::size_t(steps));
  for (std::size_t i = 0; i < got.size(); ++i)
    EXPECT_NEAR(got[i], expected[i], allowed_loss_difference(setup, expected[0], expected[i])) << "step " << i + 1;
  EXPECT_LT(got.back(), got.front());
  const std::string state = gpu->state_digest();
  gpu->reset();
  for (int i = 0; i < steps; ++i) gpu->run();
  EXPECT_EQ(gpu->losses(), got);
  EXPECT_EQ(gpu->state_digest(), state);
}

TEST(TrainStepOnSimt, LossesAreTheCpusAndTheBitsTheSameAgain) {
  expect_losses_of_the_cpu_and_the_same_bits_again(smallest(), 3);
}

TEST(TrainStepOnSimt, InF32GradientsAreTheReferences) {
  Trainer gpu = on_gpu(smallest_in_f32());
  gpu->run_gradients();
  Check check;
  compare_gradients(check, gpu.step());
  EXPECT_TRUE(check.ok()) << "wrong result: " << check.describe();
  EXPECT_GT(check.elements, 60000);
  EXPECT_GT(check.error_over_allowed, 0.001) << "the bound is loose";
}

TEST(TrainStepOnSimt, InF32LossesAreTheCpusAndTheBitsTheSameAgain) {
  expect_losses_of_the_cpu_and_the_same_bits_again(smallest_in_f32(), 2);
}

TEST(TrainStepOnSimt, InF32GradientsThatChangedPlacesAreFound) {
  Trainer gpu = on_gpu(smallest_in_f32(), keys_for_values);
  gpu->run_gradients();
  Check check;
  compare_gradients(check, gpu.step());
  EXPECT_FALSE(check.ok());
  EXPECT_GT(check.error_over_allowed, 1000);
}

}  // namespace
}  // namespace assay
