// The router: the reference by hand and by finite differences, the kernels against the reference.
#include "kernels/layer/router.h"

#include <numeric>

#include "tests/kernels/layer/token_check.h"

namespace assay {
namespace {

using test::Array;
using test::cpu;
using test::kInfinity;
using test::kNan;

const RouterKernel& kernel() { return router_kernels().front(); }

RouterProblem problem_of(std::int64_t tokens, std::int64_t experts, std::int64_t top_k, RouterGate gate,
                         bool renormalise = true) {
  RouterProblem p;
  p.tokens = tokens, p.experts = experts, p.top_k = top_k, p.gate = gate, p.renormalise = renormalise;
  return p;
}

RouterProblem mixtral(std::int64_t tokens) { return problem_of(tokens, 8, 2, RouterGate::softmax); }

RouterProblem deepseek(std::int64_t tokens) {
  RouterProblem p = problem_of(tokens, 256, 8, RouterGate::sigmoid);
  p.groups = 8, p.top_groups = 4, p.scale = 2.5f;
  return p;
}

std::vector<RouterProblem> problems(std::int64_t tokens) {
  std::vector<RouterProblem> all{mixtral(tokens), deepseek(tokens)};
  for (const RouterGate gate : {RouterGate::softmax, RouterGate::sigmoid})
    for (const bool renormalise : {true, false})
      for (const auto& [experts, top_k] :
           {std::pair<std::int64_t, std::int64_t>(1, 1), {5, 5}, {17, 3}, {64, 6}, {1000, 32}})
        all.push_back(problem_of(tokens, experts, top_k, gate, renormalise));
  RouterProblem small_groups = problem_of(tokens, 21, 4, RouterGate::sigmoid);
  small_groups.groups = 7, small_groups.top_groups = 2;
  all.push_back(small_groups);
  RouterProblem lone = problem_of(tokens, 20, 3, RouterGate::sigmoid, false);  // groups of one expert
  lone.groups = 20, lone.top_groups = 3;
  all.push_back(lone);
  return all;
}

struct Fixture {
  RouterProblem problem;
  Array logits, dlogits, weight, dweight, bias;
  std::vector<std::int32_t> expert;
  explicit Fixture(const RouterProblem& p)
      : problem(p),
        logits(p.dtype, p.tokens * p.experts),
        dlogits(p.dtype, p.tokens * p.experts),
        weight(DType::f32, p.tokens * p.top_k),
        dweight(DType::f32, p.tokens * p.top_k),
        bias(DType::f32, p.experts),
        expert(std::size_t(p.tokens * p.top_k), -1) {
    logits.fill_normal(21), dweight.fill_normal(22), bias.fill_normal(23, 0.1);
  }
  RouterBuffers buffers() {
    return {logits.data(),    problem.gate == RouterGate::sigmoid ? bias.floats() : nullptr,
            expert.data(),    weight.floats(),
            dweight.floats(), dlogits.data()};
  }
  void forward(int threads = 2) {
    problem.pass = LayerPass::forward;
    test::launch(kernel(), problem, buffers(), threads);
  }
  void backward(int threads = 2) {
    problem.pass = LayerPass::backward;
    test::launch(kernel(), problem, buffers(), threads);
  }
  std::vector<std::int32_t> chosen(std::int64_t t) const {
    const auto first = expert.begin() + std::ptrdiff_t(t * problem.top_k);
    return {first, first + std::ptrdiff_t(problem.top_k)};
  }
};

TEST(RouterReference, ByHand) {
  // softmax of ln 1, ln 4, ln 2, ln 1
  const float logits[] = {0, std::log(4.0f), std::log(2.0f), 0};
  RouterBuffers host;
  host.logits = logits;
  RouterProblem p = problem_of(1, 4, 2, RouterGate::softmax);
  EXPECT_EQ(router_reference_choice(p, host, 0), (std::vector<std::int32_t>{1, 2}));
  const std::int32_t expert[] = {1, 2};
  LayerRow weights = router_reference_weights(p, host, 0, expert);
  EXPECT_NEAR(weights.value[0], 4.0 / 6, 1e-7);
  EXPECT_NEAR(weights.value[1], 2.0 / 6, 1e-7);
  p.renormalise = false, p.scale = 2;
  weights = router_reference_weights(p, host, 0, expert);
  EXPECT_NEAR(weights.value[0], 2 * 4.0 / 8, 1e-7);
  EXPECT_NEAR(weights.value[1], 2 * 2.0 / 8, 1e-7);

  p = problem_of(1, 4, 2, RouterGate::sigmoid);
  const float bias[] = {0.6f, 0, 0, -1};  // moves expert 0 to the front: 0.5 + 0.6 > 0.8
  host.bias = bias;
  EXPECT_EQ(router_reference_choice(p, host, 0), (std::vector<std::int32_t>{0, 1}));
  const std::int32_t moved[] = {0, 1};
  weights = router_reference_weights(p, host, 0, moved);
  EXPECT_NEAR(weights.value[0], 0.5 / 1.3, 1e-7);
  EXPECT_NEAR(weights.value[1], 0.8 / 1.3, 1e-7);
}

// Group 1 has the best expert, group 0 the better pair.
TEST(RouterReference, GroupsAreAsGoodAsTheirTwoBest) {
  const float logits[] = {1, 1, -9, 2, -9, -9, 0, 0, 0};
  RouterBuffers host;
  host.logits = logits;
  RouterProblem p = problem_of(1, 9, 2, RouterGate::sigmoid);
  p.groups = 3, p.top_groups = 1;
  EXPECT_EQ(router_reference_choice(p, host, 0), (std::vector<std::int32_t>{0, 1}));
  p.top_groups = 2;  // sigmoids: 1.46 against 1 and 0.88
  EXPECT_EQ(router_reference_choice(p, host, 0), (std::vector<std::int32_t>{0, 1}));
  p.top_k = 3;
  EXPECT_EQ(router_reference_choice(p, host, 0), (std::vector<std::int32_t>{0, 1, 6}));
}

TEST(RouterReference, AllowsOnlyWhatRoundingMayDo) {
  Fixture f(problem_of(1, 6, 2, RouterGate::sigmoid));
  f.bias.fill(0);
  const double logits[] = {0.5, 0.25, 0.5, 0.5 * (1 + 0x1p-23), -1, 0.1};
  for (int e = 0; e < 6; ++e) f.logits.set(e, logits[e]);
  const auto allows = [&](std::int32_t a, std::int32_t b) {
    const std::int32_t expert[] = {a, b};
    return router_allows(f.problem, f.buffers(), 0, expert).empty();
  };
  EXPECT_TRUE(allows(3, 0));
  EXPECT_TRUE(allows(0, 3));   // nobody can tell them apart
  EXPECT_TRUE(allows(0, 2));   // 3 may have come out below both
  EXPECT_FALSE(allows(2, 0));  // a tie goes to the lower number
  EXPECT_FALSE(allows(3, 2));  // and so does the last place
  EXPECT_FALSE(allows(3, 1));
  EXPECT_FALSE(allows(0, 0));
  EXPECT_FALSE(allows(0, 6));
  f.problem.gate = RouterGate::softmax;  // ranks the logits themselves
  EXPECT_TRUE(allows(3, 0));
  EXPECT_FALSE(allows(0, 3));
}

// The gradient of sum_i dweight_i weight_i, the choice being what it is.
TEST(RouterReference, GradientsAreDifferences) {
  for (const RouterProblem& p : problems(1)) {
    if (p.experts > 64) continue;
    Fixture f(p);
    f.expert = router_reference_choice(p, f.buffers(), 0);
    const auto loss = [&] {
      const LayerRow weights = router_reference_weights(p, f.buffers(), 0, f.expert.data());
      double sum = 0;
      for (std::int64_t i = 0; i < p.top_k; ++i) sum += f.dweight.at(i) * weights.value[std::size_t(i)];
      return sum;
    };
    const LayerRow gradient = router_reference_dlogits(p, f.buffers(), 0);
    for (std::int64_t e = 0; e < p.experts; ++e) {
      const double at = f.logits.at(e), step = 0x1p-9;
      f.logits.set(e, at + step);
      const double above = f.logits.at(e), more = loss();
      f.logits.set(e, at - step);
      const double below = f.logits.at(e), less = loss();
      f.logits.set(e, at);
      EXPECT_NEAR(gradient.value[std::size_t(e)], (more - less) / (above - below), 3e-6)
          << name(p.gate) << " " << p.renormalise << " " << p.experts << " " << e;
    }
  }
}

TEST(Router, IsWithinTheAllowedError) {
  for (const DType dtype : test::kTypes)
    for (RouterProblem p : problems(9)) {
      p.dtype = dtype;
      test::on_every_instruction_set([&] {
        Fixture f(p);
        f.forward(2);
        for (std::int64_t t = 0; t < p.tokens; ++t) {
          ASSERT_EQ(router_allows(p, f.buffers(), t, f.expert.data() + t * p.top_k), "");
          test::expect_row(f.weight, t, router_reference_weights(p, f.buffers(), t, f.expert.data() + t * p.top_k),
                           "weight");
        }
        f.dlogits.poison();
        f.backward(3);
        for (std::int64_t t = 0; t < p.tokens; ++t)
          test::expect_row(f.dlogits, t, router_reference_dlogits(f.problem, f.buffers(), t), "dlogits");
        EXPECT_TRUE(f.weight.guards_intact() && f.dlogits.guards_intact());
      });
    }
}

// bf16 logits of few values: ties in every row.
TEST(Router, TiesGoToTheLowerNumber) {
  for (RouterProblem p : problems(50)) {
    Fixture f(p);
    f.bias.fill(0.125);
    test::Random random(3);
    for (std::int64_t i = 0; i < f.logits.count(); ++i) f.logits.set(i, double(random.below(3)) * 0.5);
    test::on_every_instruction_set([&] {
      f.forward();
      for (std::int64_t t = 0; t < p.tokens; ++t)
        ASSERT_EQ(f.chosen(t), router_reference_choice(p, f.buffers(), t)) << name(p.gate) << " " << p.experts;
    });
    f.logits.fill(1.5);  // groups as well
    f.forward();
    std::vector<std::int32_t> first(std::size_t(p.top_k));
    std::iota(first.begin(), first.end(), 0);
    EXPECT_EQ(f.chosen(7), first);
  }
}

TEST(Router, ExpertsThatCannotBeChosenComeLast) {
  for (const RouterGate gate : {RouterGate::softmax, RouterGate::sigmoid}) {
    Fixture f(problem_of(1, 40, 4, gate));
    f.logits.fill(-double(kInfinity));
    f.bias.fill(0);
    f.logits.set(30, 1), f.logits.set(8, -80);
    test::on_every_instruction_set([&] {
      f.forward();
      EXPECT_EQ(f.chosen(0), (std::vector<std::int32_t>{30, 8, 0, 1}));
      test::expect_row(f.weight, 0, router_reference_weights(f.problem, f.buffers(), 0, f.expert.data()), "weight");
      EXPECT_EQ(f.weight.at(2), 0);
    });
  }
}

TEST(Router, NaNIsChosenAndSeen) {
  for (const RouterGate gate : {RouterGate::softmax, RouterGate::sigmoid})
    for (const bool renormalise : {true, false})
      for (const float nan : {kNan, -kNan})
        test::on_every_instruction_set([&] {
          Fixture f(problem_of(2, 20, 2, gate, renormalise));
          f.logits.set(20 + 18, double(nan));
          f.forward();
          EXPECT_EQ(f.chosen(1)[0], 18);
          EXPECT_TRUE(std::isnan(f.weight.at(2)));
          EXPECT_FALSE(std::isnan(f.weight.at(0)) || std::isnan(f.weight.at(1)));
        });
}

TEST(Router, HasTheSameBitsForAnyNumberOfThreads) {
  Fixture first(deepseek(100));
  first.forward(1), first.backward(1);
  for (const int threads : {1, 2, 7}) {
    Fixture again(deepseek(100));
    again.forward(threads), again.backward(threads);
    EXPECT_EQ(again.expert, first.expert);
    EXPECT_EQ(again.weight.copy(), first.weight.copy());
    EXPECT_EQ(again.dlogits.copy(), first.dlogits.copy());
  }
}

TEST(Router, RefusesNumbersThatDoNotFit) {
  const auto reason = [](RouterProblem p) { return kernel().supports(p, cpu(1)).reason; };
  RouterProblem p = mixtral(1);
  p.top_k = 9;
  EXPECT_EQ(reason(p), "top_k=9 of 8 experts");
  p = deepseek(1);
  p.groups = 7;
  EXPECT_EQ(reason(p), "256 experts do not divide into 7 groups");
  p = deepseek(1);
  p.top_groups = 9;
  EXPECT_EQ(reason(p), "top_groups=9 of 8");
  p = deepseek(1);
  p.groups = p.top_groups = 64, p.top_groups = 1;
  EXPECT_EQ(reason(p), "1 groups of 4 experts hold less than top_k=8");
  p = deepseek(1);
  p.gate = RouterGate::softmax;
  EXPECT_EQ(reason(p), "groups need the sigmoid gate");
  p = mixtral(1);
  p.experts = 1025;
  EXPECT_EQ(reason(p), "at most 1024 experts");
}

}  // namespace
}  // namespace assay
