// What must hold of every plan.
#include <gtest/gtest.h>

#include "harness/project/search.h"
#include "tests/harness/project/plans.h"

namespace assay {
namespace {

std::vector<TrainingPlan> plans() {
  std::vector<TrainingPlan> out = {plan_405b(), plan_of("llama3-70b", 64, 4, 8, 5), plan_of("llama3-8b", 8, 1, 1),
                                   plan_of("mixtral-8x7b", 64, 2, 4), plan_of("deepseek-v3", 1024, 1, 1)};
  out[1].precision = Precision::fp8;
  out[2].split.zero = 3;
  out[3].split.expert = 8;
  out[4].split.expert = 64, out[4].global_batch = 4096;
  for (const auto& plan : out) EXPECT_EQ(plan_problem(plan), "") << plan.model_name;
  return out;
}

TEST(Properties, MoreBandwidthIsNeverSlower) {
  for (const auto& plan : plans())
    for (double Hardware::*part : {&Hardware::memory_bytes_per_second, &Hardware::link_bytes_per_second,
                                   &Hardware::network_bytes_per_second, &Hardware::attention_forward}) {
      Hardware faster = h100();
      faster.*part *= 1.5;
      EXPECT_LE(seconds_of(plan, faster), seconds_of(plan, h100())) << plan.model_name;
    }
}

TEST(Properties, FasterProductsAreFaster) {
  for (const auto& plan : plans()) {
    Hardware faster = h100();
    for (double& rate : faster.gemm_flops) rate *= 1.5;
    EXPECT_LT(seconds_of(plan, faster), seconds_of(plan, h100())) << plan.model_name;
  }
}

// Twice the GPUs and twice the batch: the same work a GPU, never less time; the same batch: never more.
TEST(Properties, ScalingOut) {
  for (const auto& plan : plans()) {
    TrainingPlan wider = plan, weak = plan;
    wider.gpus = weak.gpus = 2 * plan.gpus;
    weak.global_batch = 2 * plan.global_batch;
    ASSERT_EQ(plan_problem(wider), "") << plan.model_name;
    EXPECT_GE(seconds_of(weak, h100()), seconds_of(plan, h100())) << plan.model_name;
    EXPECT_LE(seconds_of(wider, h100()), seconds_of(plan, h100())) << plan.model_name;
    EXPECT_GE(2 * seconds_of(wider, h100()), seconds_of(plan, h100())) << plan.model_name;
  }
}

TEST(Properties, RecomputationCostsTimeAndSavesMemory) {
  for (TrainingPlan plan : plans()) {
    const double seconds = seconds_of(plan, h100()), bytes = memory_of(plan).total();
    plan.recompute = Recompute::full;
    EXPECT_GT(seconds_of(plan, h100()), seconds) << plan.model_name;
    EXPECT_LT(memory_of(plan).total(), bytes) << plan.model_name;
  }
}

TEST(Properties, PartsAddUp) {
  for (const auto& plan : plans()) {
    const StepTime t = step_time(plan, h100(), Shares{});
    for (const double part : {t.gemm, t.attention, t.stream, t.tensor, t.context, t.expert, t.pipeline, t.data,
                              t.bubble, t.optimizer, t.host, t.stragglers})
      EXPECT_GE(part, 0) << plan.model_name;
    EXPECT_DOUBLE_EQ(t.total(),
                     t.gemm + t.attention + t.stream + t.exposed() + t.bubble + t.optimizer + t.host + t.stragglers);
    // No step is faster than its products at the rate GEMMs reach.
    const double flops = training_flops(plan.model, 0, FlopConvention::causal) * plan.tokens() / double(plan.gpus);
    EXPECT_GT(t.total(), flops / h100().gemm_flops[int(plan.precision)]) << plan.model_name;
  }
}

// The search finds what trying every split by hand finds, and all of it fits.
TEST(Search, FindsTheFastest) {
  ProjectionInput in;
  in.plan = plan_of("llama3-70b", 64, 1, 1);
  in.hardware = h100();
  const SearchResult found = search(in, 3);
  ASSERT_EQ(found.best.size(), 3u);
  EXPECT_GT(found.tried, found.fitting);
  for (const auto& plan : found.best) {
    EXPECT_EQ(plan_problem(plan), "");
    EXPECT_LE(memory_of(plan).total(), in.hardware.memory_bytes);
  }
  for (const std::int64_t tensor : {1, 2, 4, 8})
    for (const std::int64_t pipeline : {1, 2, 4, 8}) {
      const TrainingPlan plan = plan_of("llama3-70b", 64, tensor, pipeline);
      if (memory_of(plan).total() > in.hardware.memory_bytes) continue;
      EXPECT_GE(step_time(plan, in.hardware, in.shares).total(), found.seconds.front());
    }
  EXPECT_LE(found.seconds[0], found.seconds[1]);
}

TEST(Sensitivity, SaysWhichPartBinds) {
  ProjectionInput in;
  in.plan = plan_405b();
  in.hardware = h100();
  const auto parts = sensitivity(in);
  EXPECT_EQ(parts.front().part, "GEMM");
  EXPECT_LT(parts.front().doubled, -0.2);
  for (const auto& part : parts) EXPECT_LE(part.doubled, part.by_tenth) << part.part;
}

}  // namespace
}  // namespace assay
