// What must hold of any plan: random models, splits and clusters, from fixed seeds.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <random>

#include "harness/core/error.h"
#include "harness/project/search.h"
#include "tests/harness/project/plans.h"

namespace assay {
namespace {

class Dice {
 public:
  explicit Dice(unsigned seed) : engine_(seed) {}
  template <class T>
  T of(std::initializer_list<T> values) {
    return *(values.begin() + engine_() % values.size());
  }
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + std::int64_t(engine_() % std::uint64_t(high - low + 1));
  }

 private:
  std::mt19937_64 engine_;
};

/// Odd depths, vocabularies that nothing divides, with experts or without.
Transformer random_model(Dice& dice) {
  Transformer m;
  m.layers = dice.between(2, 97), m.head_dim = 128;
  m.kv_heads = dice.of<std::int64_t>({1, 2, 4, 6, 8}), m.heads = m.kv_heads * dice.of<std::int64_t>({1, 2, 8});
  m.hidden = 128 * dice.between(4, 96), m.vocabulary = dice.between(1000, 260'000);
  m.dense = {true, 64 * dice.between(8, 400)}, m.dense_layers = m.layers;
  if (dice.between(0, 2) > 0) return m;
  m.expert = {true, 64 * dice.between(4, 64)}, m.dense_layers = dice.between(0, m.layers - 1);
  m.experts = dice.of<std::int64_t>({8, 64, 128}), m.experts_per_token = dice.of<std::int64_t>({1, 2, 8});
  return m;
}

TrainingPlan random_plan(Dice& dice) {
  TrainingPlan s;
  s.model_name = "random", s.model = random_model(dice);
  const auto power = [&](int most) { return std::int64_t(1) << dice.between(0, most); };
  s.split = {power(3), dice.between(1, 16), 1, power(2), 1, int(dice.between(0, 3)), dice.between(0, 3) > 0};
  if (s.split.pipeline > 1) s.split.interleave = dice.between(1, 6);
  if (s.split.interleave == 1)
    s.split.schedule = dice.of({Schedule::one_f_one_b, Schedule::zero_bubble, Schedule::dual_pipe});
  if (s.model.experts > 0) s.split.expert = power(4);
  const std::int64_t replicas = power(7);
  s.gpus = s.split.tensor * s.split.pipeline * s.split.context * replicas;
  s.micro_batch = power(2), s.global_batch = s.micro_batch * replicas * dice.between(1, 40);
  s.sequence = 1024 * power(5);
  s.precision = dice.of({Precision::bf16, Precision::fp8});
  s.recompute = dice.of({Recompute::none, Recompute::selective, Recompute::full});
  s.stack.flash_attention = dice.between(0, 3) > 0;
  return s;
}

Hardware random_hardware(Dice& dice) {
  const char* name = dice.of({"dgx-h100", "dgx-b200", "gb200-nvl72", "mi300x-8"});
  Hardware hw = hardware_of(accelerator_named(cluster_named(name).accelerator));
  join(hw, cluster_named(name).network());
  return hw;
}

/// Of `wanted` plans that are possible, from a seed each.
void for_each_plan(int wanted, const std::function<void(const TrainingPlan&, const Hardware&)>& check) {
  int seen = 0;
  for (unsigned seed = 1; seen < wanted; ++seed) {
    ASSERT_LT(seed, 1000u * unsigned(wanted)) << "hardly any random plan is possible";
    Dice dice(seed);
    const TrainingPlan plan = random_plan(dice);
    const Hardware hw = random_hardware(dice);
    if (!plan_problem(plan).empty()) continue;
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    check(plan, hw), ++seen;
    if (testing::Test::HasFailure()) return;
  }
}

double seconds(const TrainingPlan& plan, const Hardware& hw) { return step_time(plan, hw, Shares{}).total(); }

constexpr int kPlans = 400;
constexpr double kRounding = 1 + 1e-12;

TEST(AnyPlan, NothingThatIsFasterMakesItSlower) {
  using Change = std::function<void(Hardware&)>;
  const std::vector<Change> changes = {[](Hardware& hw) { hw.network_bytes_per_second *= 1.5; },
                                       [](Hardware& hw) { hw.link_bytes_per_second *= 1.5; },
                                       [](Hardware& hw) { hw.memory_bytes_per_second *= 1.5; },
                                       [](Hardware& hw) { hw.attention_forward *= 1.5, hw.attention_backward *= 1.5; },
                                       [](Hardware& hw) { hw.launch_seconds /= 1.5; },
                                       [](Hardware& hw) {
                                         for (double& rate : hw.gemm_flops) rate *= 1.5;
                                       }};
  for_each_plan(kPlans, [&](const TrainingPlan& plan, const Hardware& hw) {
    for (const auto& change : changes) {
      Hardware faster = hw;
      change(faster);
      EXPECT_LE(seconds(plan, faster), seconds(plan, hw) * kRounding) << &change - changes.data();
    }
  });
}

TEST(AnyPlan, ItsPartsAreTimesAndAddUp) {
  for_each_plan(kPlans, [](const TrainingPlan& plan, const Hardware& hw) {
    const StepTime t = step_time(plan, hw, Shares{}), again = step_time(plan, hw, Shares{});
    double sum = 0;
    for (const double part : {t.gemm, t.attention, t.stream, t.tensor, t.context, t.expert, t.pipeline, t.data,
                              t.bubble, t.optimizer, t.host, t.stragglers}) {
      EXPECT_TRUE(part >= 0 && std::isfinite(part));
      sum += part;
    }
    EXPECT_NEAR(t.total(), sum, 1e-12 * sum);
    EXPECT_EQ(t.total(), again.total());
    const Memory m = memory_of(plan);
    for (const double part : {m.weights, m.gradients, m.optimizer, m.activations, m.logits, m.gathered, m.overhead})
      EXPECT_TRUE(part >= 0 && std::isfinite(part));
    // All GPUs together hold at least one copy of all weights, gradients and moments; where a stage is fullest for its
    // activations, others may hold more of those.
    const double all = parameters(plan.model).total * (14 + plan.stack.gradient_bytes);
    if (stage_layers(plan).head_extra()) {
      EXPECT_GE(m.states() * double(plan.gpus), 0.999 * all);
    }
  });
}

TEST(AnyPlan, MoreToKeepNeedsNoLessMemory) {
  for_each_plan(kPlans, [](const TrainingPlan& plan, const Hardware&) {
    const double bytes = memory_of(plan).total();
    TrainingPlan longer = plan, wider = plan, larger = plan;
    longer.sequence *= 2;
    wider.micro_batch *= 2, wider.global_batch *= 2;  // as many microbatches, of twice the size
    larger.model.vocabulary *= 2;
    for (const auto& other : {longer, wider, larger}) EXPECT_GE(memory_of(other).total(), bytes);
    TrainingPlan deeper = plan;
    deeper.model.layers *= 2, deeper.model.dense_layers *= 2;
    EXPECT_GE(memory_of(deeper).total(), bytes);
    if (plan.split.zero < 3) {
      TrainingPlan split = plan;
      ++split.split.zero;
      if (split.split.zero < 3 || plan.split.pipeline == 1) {
        EXPECT_LE(memory_of(split).states(), memory_of(plan).states());
      }
    }
  });
}

TEST(AnyPlan, IntervalsHoldThePointAndMoneyIsTimeTimesPrice) {
  for_each_plan(40, [](const TrainingPlan& plan, const Hardware& hw) {
    ProjectionInput in;
    in.plan = plan, in.hardware = hw, in.tokens = 1e12;
    in.cluster = cluster_named("dgx-h100");
    in.error = projection_error(plan, hw, in.shares, nullptr);
    const Projection p = project(in);
    EXPECT_TRUE(p.step_low <= p.step.total() && p.step.total() <= p.step_high);
    EXPECT_TRUE(p.bill_low->days <= p.bill->days && p.bill->days <= p.bill_high->days);
    EXPECT_NEAR(p.bill->days * 86400, 1e12 / plan.tokens() * p.step.total() / p.goodput.share,
                1e-6 * p.bill->days * 86400);
    EXPECT_NEAR(p.bill->gpu_hours, p.bill->days * 24 * double(plan.gpus), 1e-9 * p.bill->gpu_hours);
    EXPECT_NEAR(p.bill->dollars, p.bill->gpu_hours * in.cluster.dollars_per_gpu_hour->value, 1e-9 * p.bill->dollars);
    EXPECT_NEAR(p.bill->kilowatt_hours, p.bill->gpu_hours * hw.watts * 1.25 / 1000, 1e-9 * p.bill->kilowatt_hours);
  });
}

/// Every split of the search's space, tried one by one.
double brute_force(const ProjectionInput& in) {
  double best = std::numeric_limits<double>::infinity();
  TrainingPlan s = in.plan;
  for (s.split.tensor = 1; s.split.tensor <= 8; s.split.tensor *= 2)
    for (s.split.pipeline = 1; s.split.pipeline <= in.plan.gpus; ++s.split.pipeline)
      for (s.split.interleave = 1; s.split.interleave <= s.model.layers; ++s.split.interleave)
        for (s.split.context = 1; s.split.context <= 16; s.split.context *= 2)
          for (s.split.expert = 1; s.split.expert <= std::max<std::int64_t>(1, s.model.experts); s.split.expert *= 2)
            for (s.micro_batch = 1; s.micro_batch <= 16; s.micro_batch *= 2)
              for (const int zero : {1, 3})
                for (const Recompute recompute : {Recompute::selective, Recompute::full}) {
                  s.split.zero = zero, s.recompute = recompute;
                  if (!plan_problem(s).empty() || memory_of(s).total() > in.hardware.memory_bytes) continue;
                  best = std::min(best, step_time(s, in.hardware, in.shares).total());
                }
  return best;
}

TEST(Search, IsAsGoodAsTryingEverything) {
  int compared = 0;
  for (unsigned seed = 1; compared < 6; ++seed) {
    Dice dice(seed);
    ProjectionInput in;
    in.plan.model_name = "random", in.plan.model = random_model(dice);
    in.plan.model.layers = in.plan.model.dense_layers = dice.between(2, 13);
    in.plan.model.experts = 0, in.plan.model.expert = {};
    in.plan.gpus = dice.of<std::int64_t>({4, 6, 8, 16}), in.plan.global_batch = dice.of<std::int64_t>({8, 24, 30});
    in.plan.sequence = 8192;
    in.hardware = h100();
    const double best = brute_force(in);
    if (!std::isfinite(best)) continue;
    EXPECT_DOUBLE_EQ(search(in, 1).seconds.front(), best) << "seed " << seed;
    ++compared;
  }
}

// A batch that awkward numbers of GPUs do not share: what a part of them would do is said, so that more are never less.
TEST(Search, MoreGpusAreNeverSlower) {
  ProjectionInput in;
  in.plan = plan_of("llama3-8b", 1, 1, 1);
  in.plan.global_batch = 512;
  in.hardware = h100();
  double before = std::numeric_limits<double>::infinity();
  for (const std::int64_t gpus : {8, 12, 16, 24, 36, 48, 64, 96, 100, 128, 192, 250, 256, 500, 512, 768, 1000, 1024}) {
    in.plan.gpus = gpus;
    double now = std::numeric_limits<double>::infinity();
    try {
      const SearchResult found = search(in, 1);
      now = found.fewer ? found.fewer_seconds : found.seconds.front();
    } catch (const InputError& error) {  // and names how many would do
      const std::string words = error.what();
      const auto at = words.find("--gpus ");
      ASSERT_NE(at, std::string::npos) << words;
      in.plan.gpus = std::stoll(words.substr(at + 7));
      now = search(in, 1).seconds.front();
    }
    EXPECT_LE(now, before * kRounding) << gpus;
    before = std::min(before, now);
  }
}

TEST(Search, KeepsWhatWasAskedFor) {
  ProjectionInput in;
  in.plan = plan_of("llama3-70b", 256, 1, 1);
  in.hardware = h100();
  SearchLimits limits;
  limits.tensor = 4, limits.context = 2, limits.micro_batch = 2, limits.zero = 3, limits.recompute = Recompute::full;
  for (const auto& plan : search(in, 5, limits).best) {
    EXPECT_EQ(plan.split.tensor, 4);
    EXPECT_EQ(plan.split.context, 2);
    EXPECT_EQ(plan.micro_batch, 2);
    EXPECT_EQ(plan.split.zero, 3);
    EXPECT_EQ(plan.recompute, Recompute::full);
  }
  limits.pipeline = 7;
  EXPECT_THROW(search(in, 1, limits), InputError);
}

}  // namespace
}  // namespace assay
