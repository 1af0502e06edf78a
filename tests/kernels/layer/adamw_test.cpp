// AdamW: the reference against the textbook's loop, the kernels against the reference and, bit for bit, against the
// roundings of the contract.
#include "kernels/layer/adamw.h"

#include "tests/kernels/layer/token_check.h"

namespace assay {
namespace {

using test::Array;
using test::cpu;
using test::differs;
using test::kNan;

const AdamWKernel& kernel() { return adamw_kernels().front(); }

constexpr double kRate = 3e-3, kDecay = 0.1;

struct Fixture {
  AdamWProblem problem;
  Array master, param, gradient, m, v;
  AdamWStep step;
  float scale = 1;
  explicit Fixture(const AdamWProblem& p, std::size_t offset = 16)
      : problem(p),
        master(DType::f32, p.elements),
        param(DType::bf16, p.elements, offset),
        gradient(p.gradient_dtype, p.elements),
        m(DType::f32, p.elements),
        v(DType::f32, p.elements) {
    master.fill_normal(1, 0.02), gradient.fill_normal(2, 0.1);
    m.fill_normal(3, 0.01), v.fill_normal(4, 0.1);
    for (std::int64_t i = 0; i < p.elements; ++i) v.floats()[i] *= v.floats()[i];
    step = adamw_step(p, 3, kRate, kDecay);
  }
  AdamWBuffers buffers() {
    return {
        master.floats(), problem.has_master() ? param.data() : nullptr, gradient.data(), m.floats(), v.floats(), &step,
        &scale};
  }
};

/// The contract's roundings, one operation a line.
void step_by_hand(Fixture& f) {
  const AdamWProblem& p = f.problem;
  const auto rest1 = float(1 - double(p.beta1)), rest2 = float(1 - double(p.beta2));
  for (std::int64_t i = 0; i < p.elements; ++i) {
    float &w = f.master.floats()[i], &m = f.m.floats()[i], &v = f.v.floats()[i];
    const float g = f.scale * float(f.gradient.at(i));
    const float of_m = rest1 * g;
    m = std::fma(p.beta1, m, of_m);
    const float half = rest2 * g;
    const float of_v = half * g;
    v = std::fma(p.beta2, v, of_v);
    const float above = f.step.rate * m;
    const float root = std::sqrt(v);
    const float below = std::fma(root, f.step.root, p.epsilon);
    const float update = above / below;
    const float change = std::fma(f.step.decay, w, update);
    w = w - change;
    if (p.has_master()) f.param.as<std::uint16_t>()[i] = float_to_bf16(w);
  }
}

// Algorithm 2 of arXiv 1711.05101 in fp64, its moments starting from zero.
TEST(AdamWReference, FollowsTheTextbookOverSteps) {
  AdamWProblem problem;
  problem.beta2 = 0.999f;
  AdamWStep step;
  float w = 0.5f, m = 0, v = 0, gradient = 0, scale = 0.5f;
  const AdamWBuffers buffers{&w, nullptr, &gradient, &m, &v, &step, &scale};
  double theta = 0.5, first = 0, second = 0;
  const double beta1 = problem.beta1, beta2 = problem.beta2;
  for (int t = 1; t <= 20; ++t) {
    gradient = float(std::sin(t) * 0.3);
    const double g = double(gradient) * double(scale);
    first = beta1 * first + (1 - beta1) * g;
    second = beta2 * second + (1 - beta2) * g * g;
    const double m_hat = first / (1 - std::pow(beta1, t)), v_hat = second / (1 - std::pow(beta2, t));
    theta = theta - kRate * (m_hat / (std::sqrt(v_hat) + double(problem.epsilon)) + kDecay * theta);
    step = adamw_step(problem, t, kRate, kDecay);
    const AdamWElement after = adamw_reference(problem, buffers, 0);
    // What fp32 state and factors lose over the steps.
    EXPECT_NEAR(after.m.value, first, 2e-7 * t * std::abs(first) + 1e-9) << t;
    EXPECT_NEAR(after.v.value, second, 3e-7 * t * second) << t;
    EXPECT_NEAR(after.master.value, theta, 1e-7 * t) << t;
    EXPECT_LT(after.master.allowed, 1e-6);
    w = float(after.master.value), m = float(after.m.value), v = float(after.v.value);
  }
}

// A gradient's sign times the learning rate, whatever its size: the first step from zero moments.
TEST(AdamWReference, FirstStepIsTheRate) {
  AdamWProblem problem;
  const AdamWStep step = adamw_step(problem, 1, 0.25, 0.5);
  for (const float gradient : {3.0f, -1e-3f}) {
    float w = 2, m = 0, v = 0;
    const AdamWElement after = adamw_reference(problem, {&w, nullptr, &gradient, &m, &v, &step, nullptr}, 0);
    EXPECT_NEAR(after.master.value, 2 - 0.25 * (gradient > 0 ? 1 : -1) - 0.25 * 0.5 * 2, 1e-5);
  }
}

TEST(AdamW, IsWithinTheAllowedErrorAndExactlyTheContract) {
  for (const auto& [dtype, gradient] :
       {std::pair(DType::f32, DType::f32), {DType::bf16, DType::bf16}, {DType::bf16, DType::f32}})
    for (const std::int64_t elements : {1, 15, 16, 17, 63, 64, 65, 1000, 4097}) {
      AdamWProblem problem;
      problem.elements = elements;
      problem.dtype = dtype;
      problem.gradient_dtype = gradient;
      test::on_every_instruction_set([&] {
        Fixture got(problem), exact(problem), before(problem);
        got.scale = exact.scale = before.scale = 0.37f;
        test::launch(kernel(), problem, got.buffers(), 3);
        for (std::int64_t i = 0; i < elements; ++i) {
          const AdamWElement expected = adamw_reference(problem, before.buffers(), i);
          ASSERT_EQ(differs(got.m.at(i), expected.m), "") << "m " << i << " of " << elements;
          ASSERT_EQ(differs(got.v.at(i), expected.v), "") << "v " << i;
          ASSERT_EQ(differs(got.master.at(i), expected.master), "") << "master " << i;
          if (problem.has_master()) {
            ASSERT_EQ(got.param.as<std::uint16_t>()[i], float_to_bf16(got.master.floats()[i])) << i;
          }
        }
        for (const Array* array : {&got.master, &got.param, &got.gradient, &got.m, &got.v})
          EXPECT_TRUE(array->guards_intact());
        if (!test::has_fused_multiply_add()) return;
        step_by_hand(exact);
        EXPECT_EQ(got.m.copy(), exact.m.copy());
        EXPECT_EQ(got.v.copy(), exact.v.copy());
        EXPECT_EQ(got.master.copy(), exact.master.copy());
        EXPECT_EQ(got.param.copy(), exact.param.copy());
      });
    }
}

// Ten steps; also where parameters are stored past the caches.
TEST(AdamW, HasTheSameBitsForAnyNumberOfThreads) {
  AdamWProblem problem;
  problem.dtype = problem.gradient_dtype = DType::bf16;
  for (const std::int64_t elements : {std::int64_t(100003), std::int64_t(9) << 20}) {
    problem.elements = elements;
    const int steps = elements > 1000000 ? 1 : 10;
    Fixture first(problem, 0);
    for (const int threads : {1, 2, 7}) {
      Fixture again(problem, 0);
      const auto operation = kernel().prepare(problem, cpu(threads), {again.buffers()}, nullptr);
      for (int t = 1; t <= steps; ++t) {
        again.step = adamw_step(problem, t, kRate, kDecay);
        operation->launch(again.buffers(), nullptr);
      }
      ASSERT_EQ(again.param.as<std::uint16_t>()[elements - 1], float_to_bf16(again.master.floats()[elements - 1]));
      if (threads == 1) {
        for (auto [to, from] :
             {std::pair(&first.master, &again.master), {&first.param, &again.param}, {&first.v, &again.v}})
          to->restore(from->copy());
        continue;
      }
      EXPECT_EQ(again.master.copy(), first.master.copy()) << threads;
      EXPECT_EQ(again.param.copy(), first.param.copy()) << threads;
      EXPECT_EQ(again.v.copy(), first.v.copy()) << threads;
    }
  }
}

TEST(AdamW, PassesNaNOn) {
  AdamWProblem problem;
  problem.elements = 40;
  problem.dtype = DType::bf16;
  Fixture one(problem);
  one.gradient.set(33, double(kNan));
  test::launch(kernel(), problem, one.buffers());
  for (std::int64_t i = 0; i < 40; ++i)
    for (const Array* array : {&one.m, &one.v, &one.master, &one.param})
      EXPECT_EQ(std::isnan(array->at(i)), i == 33) << i;

  Fixture all(problem);
  all.scale = kNan;  // of a norm that is not finite
  test::launch(kernel(), problem, all.buffers());
  for (std::int64_t i = 0; i < 40; ++i) EXPECT_TRUE(std::isnan(all.master.at(i)) && std::isnan(all.param.at(i)));
}

TEST(AdamW, RefusesGradientsOfAnotherType) {
  AdamWProblem problem;
  problem.gradient_dtype = DType::bf16;
  EXPECT_NE(kernel().supports(problem, cpu(1)).reason, "");
}

}  // namespace
}  // namespace assay
