// The step against PyTorch: a model written in it, on the same text from the same initial parameters, in fp64.  What
// the step computes rests on nothing of ours here: not on the fp64 step, nor on the contracts of kernels.
//
// PyTorch 2.15.0 on a CPU: embedding, rms_norm (epsilon 1e-5 as fp32), rotary tables rounded to fp32,
// scaled_dot_product_attention(is_causal), silu, cross_entropy, backward(), clip_grad_norm_(1.0), AdamW(lr 1e-3, betas
// 0.9 and 0.95 as fp32, eps 1e-8; weight decay 0.1 of matrices, 0 of gains).  Model and batch are small_setup()'s, seed
// 1.
#include <gtest/gtest.h>

#include <cmath>

#include "harness/train/step.h"
#include "tests/harness/train/training.h"

namespace assay {
namespace {

struct StepOfTorch {
  double loss, norm;  // of all gradients, before they are clipped
};
constexpr StepOfTorch kSteps[] = {{5.5560663336, 1.8929537053}, {5.4418694136, 1.7913427716},
                                  {5.4047860754, 1.6602976844}, {5.3254413144, 1.7515019048},
                                  {5.2874988330, 1.6162968385}, {5.2459402355, 1.8668813794}};

struct TensorOfTorch {
  const char* name;
  double norm, sum;  // of the first step's gradient
  double moved;      // the norm of what six steps changed
};
constexpr TensorOfTorch kTensors[] = {
    {"embedding", 0.97392967, -6.971887e-01, 0.1029666985},
    {"layer 0 qkv", 0.48737446, -1.654543e-01, 0.3553096239},
    {"layer 0 out", 0.83078540, 4.497364e-02, 0.2380748033},
    {"layer 0 gate_up", 0.02624855, 2.925750e-02, 0.2176971829},
    {"layer 0 down", 0.03353114, 9.643807e-03, 0.1566993770},
    {"layer 1 qkv", 0.36402358, 1.035305e+00, 0.3357514469},
    {"layer 1 out", 0.73155895, -3.886514e-01, 0.2304759270},
    {"layer 1 gate_up", 0.02656124, -3.199090e-02, 0.2141397147},
    {"layer 1 down", 0.04106832, 1.079945e-02, 0.1499539079},
    {"head", 1.01715521, 0, 0.3995207767},
    {"layer 0 attention norm", 0.01025863, -1.051041e-02, 0.0196839597},
    {"layer 0 mlp norm", 0.00054052, 4.151139e-04, 0.0224173414},
    {"layer 1 attention norm", 0.00862434, -7.316629e-03, 0.0224573511},
    {"layer 1 mlp norm", 0.00056275, 8.015843e-04, 0.0210592242},
    {"final norm", 0.01773256, 1.741593e-02, 0.0249454390},
};

class BesideTorch : public testing::Test {
 protected:
  void expect(DType dtype, double near) {
    TrainSetup setup = small_setup();
    setup.dtype = dtype;
    const auto backend = make_cpu_backend(2);
    const auto communicator = make_single_communicator();
    TrainStep step(setup, *find_step_kernels("step_cpu"), *backend, *communicator);
    const std::vector<float> before = step.optimizer_state().master;
    step.run_gradients();
    expect_gradients(step, near);
    step.reset();
    for (const StepOfTorch& expected : kSteps) {
      step.run();
      EXPECT_NEAR(step.losses().back(), expected.loss, near * expected.loss) << "step " << step.steps();
      EXPECT_NEAR(step.gradient_norm().norm, expected.norm, 10 * near * expected.norm) << "step " << step.steps();
    }
    expect_moved(step, before, near);
  }

 private:
  static void expect_gradients(const TrainStep& step, double near) {
    const std::vector<float> got = step.gradients();
    std::size_t n = 0;
    for (const ParameterTensor* tensor : step.layout().all()) {
      const TensorOfTorch& expected = kTensors[n++];
      ASSERT_EQ(tensor->name, expected.name);
      double squares = 0, sum = 0;
      for (std::int64_t i = tensor->offset; i < tensor->offset + tensor->count(); ++i)
        squares += double(got[std::size_t(i)]) * got[std::size_t(i)], sum += double(got[std::size_t(i)]);
      EXPECT_NEAR(std::sqrt(squares), expected.norm, 10 * near * expected.norm) << tensor->name;
      // A sum of elements that are each off by `near` of a typical one, independently.
      EXPECT_NEAR(sum, expected.sum, 10 * near * expected.norm) << tensor->name;
    }
    EXPECT_EQ(n, std::size(kTensors));
  }

  static void expect_moved(const TrainStep& step, const std::vector<float>& before, double near) {
    const std::vector<float> after = step.optimizer_state().master;
    for (std::size_t n = 0; n < std::size(kTensors); ++n) {
      const ParameterTensor& tensor = *step.layout().all()[n];
      double squares = 0;
      for (std::int64_t i = tensor.offset; i < tensor.offset + tensor.count(); ++i)
        squares += std::pow(double(after[std::size_t(i)]) - double(before[std::size_t(i)]), 2);
      EXPECT_NEAR(std::sqrt(squares), kTensors[n].moved, 100 * near * kTensors[n].moved) << tensor.name;
    }
  }
};

TEST_F(BesideTorch, LossesGradientsAndParameters) { expect(DType::f32, 1e-6); }

/// Roundings to 8 bits on every path move a gradient's norm by less than a hundredth.
TEST_F(BesideTorch, InSixteenBits) { expect(DType::bf16, 1e-3); }

}  // namespace
}  // namespace assay
