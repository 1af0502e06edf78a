// Experts, layers that predict further tokens, and the pipelines they need: known answers, worked by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "harness/project/communication.h"
#include "tests/harness/project/plans.h"

namespace assay {
namespace {

using testing::HasSubstr;

/// DeepSeek-V3 as it was trained: 64 ranks of 8 nodes have the experts, 4 nodes a token.
TrainingPlan deepseek() {
  TrainingPlan plan = plan_of("deepseek-v3", 2048, 1, 16);
  plan.split.expert = 64, plan.sequence = 4096, plan.global_batch = 15360;
  return plan;
}

Hardware links_and_network() {
  Hardware hw = h100();
  hw.domain = 8, hw.link_bytes_per_second = 160e9, hw.network_bytes_per_second = 50e9;
  return hw;
}

// 8 copies to 64 ranks: 7 of 64 beside, 56 of 64 beyond the node.
TEST(Experts, AllToAllSendsACopyForEach) {
  TrainingPlan plan = deepseek();
  plan.stack.dispatch_per_node = false;
  const TokenCopies copies = token_copies(plan, links_and_network());
  EXPECT_DOUBLE_EQ(copies.near, 8 * 7 / 64.0);
  EXPECT_DOUBLE_EQ(copies.far, 8 * 56 / 64.0);
  plan.split.expert = 8;  // of one node: nothing leaves it
  EXPECT_DOUBLE_EQ(token_copies(plan, links_and_network()).near, 7);
  EXPECT_DOUBLE_EQ(token_copies(plan, links_and_network()).far, 0);
}

// Eight choices among 4 nodes hit 4 (1 - (3/4)^8) = 3.6 of them, 7/8 of which are others.
TEST(Experts, PerNodeSendsACopyForEachNode) {
  const TrainingPlan plan = deepseek();
  const TokenCopies copies = token_copies(plan, links_and_network());
  EXPECT_NEAR(copies.far, 4 * (1 - std::pow(0.75, 8)) * 7 / 8, 1e-12);
  EXPECT_NEAR(copies.near, 32 * (1 - std::pow(31 / 32.0, 8)) * 7 / 8, 1e-12);
  TrainingPlan anywhere = plan;
  anywhere.model.routing_nodes = 0;  // 8 nodes: 8 (1 - (7/8)^8) = 5.25 of them
  EXPECT_NEAR(token_copies(anywhere, links_and_network()).far, 8 * (1 - std::pow(0.875, 8)) * 7 / 8, 1e-12);
  EXPECT_EQ(token_copies(plan_of("mixtral-8x7b", 64, 1, 1), links_and_network()).far, 0);  // no expert parallelism
}

// 4096 tokens of 7168 bf16: 58.7 MB, 3.15 times through a NIC of 50 GB/s; the links' 6.3 times at 160 GB/s take less.
TEST(Experts, DispatchTakesTheLongerOfLinksAndNetwork) {
  const TrainingPlan plan = deepseek();
  const double bytes = 4096 * 7168.0 * 2, far = 4 * (1 - std::pow(0.75, 8)) * 7 / 8;
  EXPECT_NEAR(dispatch_seconds(4096, 7168 * 2, plan, links_and_network()), 8.4e-6 + far * bytes / 50e9, 1e-12);
  Hardware slow = links_and_network();
  slow.link_bytes_per_second = 50e9;
  EXPECT_NEAR(dispatch_seconds(4096, 7168 * 2, plan, slow),
              8.4e-6 + 32 * (1 - std::pow(31 / 32.0, 8)) * 7 / 8 * bytes / 50e9, 1e-12);
  EXPECT_EQ(dispatch_seconds(4096, 7168 * 2, plan_of("mixtral-8x7b", 64, 1, 1), slow), 0);
}

TEST(Experts, GroupsShareWavesAndALaunch) {
  Hardware hw;
  hw.tiles = {{128, 256, 1.0}};
  hw.gemm_flops[0] = 1e12, hw.memory_bytes_per_second = 1e15, hw.multiprocessors = 4, hw.launch_seconds = 1;
  const double tile = 2.0 * 128 * 256 * 1024 / 1e12 * 4;  // one wave of all four
  EXPECT_DOUBLE_EQ(modelled_gemm_seconds({{128, 256, 896}, Precision::bf16, GemmPass::forward, 1, 4}, hw), 1 + tile);
  // A row too many is a tile of its own, in each group.
  EXPECT_DOUBLE_EQ(modelled_gemm_seconds({{129, 256, 896}, Precision::bf16, GemmPass::forward, 1, 4}, hw),
                   1 + 2 * tile);
}

TEST(Experts, UnevenLoadSlowsThemAlone) {
  TrainingPlan plan = deepseek();
  const StepTime even = step_time(plan, h100(), Shares{});
  plan.expert_imbalance = 1.5;
  const StepTime uneven = step_time(plan, h100(), Shares{});
  EXPECT_NEAR(uneven.expert, 1.5 * even.expert, 0.01 * even.expert);  // but for starts
  EXPECT_GT(uneven.gemm, even.gemm);
  EXPECT_LT(uneven.gemm, 1.5 * even.gemm);
  EXPECT_EQ(uneven.attention, even.attention);
  EXPECT_GT(memory_of(plan).activations, memory_of(deepseek()).activations);
  for (const double wrong : {0.5, std::nan(""), 1e9}) {
    plan.expert_imbalance = wrong;
    EXPECT_THAT(plan_problem(plan), HasSubstr("--expert-imbalance"));
  }
}

TEST(Experts, WhatOverlapsCostsContentionAlone) {
  TrainingPlan plan = plan_of("qwen3-235b-a22b", 256, 2, 8, 4);
  plan.split.expert = 32, plan.sequence = 4096;
  Shares free;
  free.contention = 0;
  const double all = step_time(plan, h100(), free).expert;
  plan.stack.expert_overlap = 0.75;
  EXPECT_NEAR(step_time(plan, h100(), free).expert, 0.25 * all, 1e-9 * all);
  free.contention = 0.5;
  EXPECT_NEAR(step_time(plan, h100(), free).expert, (0.25 + 0.5 * 0.75) * all, 1e-9 * all);
  // No more hides than there is compute.
  free.contention = 0;
  Hardware slow = h100();
  slow.network_bytes_per_second = 1e6;
  const StepTime t = step_time(plan, slow, free);
  const double whole = (plan.stack.expert_overlap = 0, step_time(plan, slow, free).expert);
  EXPECT_GT(t.expert, 0.9 * whole);
}

// 671 B of the main model; a token passes 37 B of them, 36.7 B by the released weights' own description.  Without its
// row of the embedding, which no product reads: 36.6 B.
TEST(Experts, ParametersAsPublished) {
  const Transformer t = find_model("deepseek-v3").transformer();
  const Parameters p = parameters(t);
  EXPECT_NEAR(p.total / 671e9, 1, 0.001);
  EXPECT_NEAR((p.per_token - p.embedding) / 36.7e9, 1, 0.005);
  EXPECT_EQ(std::round((p.per_token - p.embedding) / 1e9), 37);
  EXPECT_NEAR(parameters(find_model("mixtral-8x7b").transformer()).total / 46.7e9, 1, 0.001);
  EXPECT_NEAR(parameters(find_model("mixtral-8x7b").transformer()).per_token / 12.9e9, 1, 0.003);
  EXPECT_NEAR(parameters(find_model("qwen3-235b-a22b").transformer()).total / 235e9, 1, 0.005);
  EXPECT_NEAR(parameters(find_model("kimi-k2").transformer()).total / 1.03e12, 1, 0.01);
}

// 11.5 B weights of its own (README_WEIGHTS of the release): a layer with experts and 2 7168^2.
TEST(Experts, APredictionLayerIsALayerAProjectionAndAHead) {
  Transformer t = find_model("deepseek-v3").transformer();
  const Parameters before = parameters(t);
  const ForwardFlops flops = forward_flops(t, 4096);
  t.prediction_layers = 1;
  const double own = parameters(t).total - before.total;
  EXPECT_EQ(own, before.attention + before.experts + 2 * 7168 + 2 * 7168.0 * 7168);
  EXPECT_NEAR(own / 11.5e9, 1, 0.01);
  EXPECT_EQ(forward_flops(t, 4096).head, 2 * flops.head);
  EXPECT_NEAR(forward_flops(t, 4096).attention, flops.attention * 62 / 61, 1);
  TrainingPlan plan = deepseek(), without = plan;
  plan.model.prediction_layers = 1;
  EXPECT_GT(seconds_of(plan, h100()), seconds_of(without, h100()));
  plan.split.pipeline = without.split.pipeline = 1;  // on one stage all is there
  EXPECT_NEAR(local_parameters(plan).dense + 64 * local_parameters(plan).experts, parameters(t).total, 1e5);
}

// 61 layers over 16 stages: with embedding and loss 63 of 64 places.
TEST(Pipelines, WholeLayersAreDealt) {
  TrainingPlan plan = deepseek();
  EXPECT_EQ(plan_problem(plan), "");
  EXPECT_EQ(stage_layers(plan).busiest, 4);
  EXPECT_EQ(stage_layers(plan).layout, Layout::uneven);
  plan.split.pipeline = 8, plan.split.interleave = 4, plan.model.prediction_layers = 1;  // 64 places: "Et|(tt|)*30mL"
  EXPECT_EQ(stage_layers(plan).layout, Layout::ends);
  EXPECT_EQ(stage_layers(plan).busiest, 8);
  EXPECT_EQ(stage_layers(plan_405b()).layout, Layout::ends);  // 126 and 2 over 64 chunks
  // As slow as its busiest stage: four layers of 16, or fewer and the head.
  const StepTime t = step_time(deepseek(), h100(), Shares{});
  const LayerTime layer = layer_time(deepseek(), h100(), Shares{});
  EXPECT_GE(t.gemm, 120 * 4 * (layer.forward.gemm + layer.backward.gemm));
}

TEST(Pipelines, DualPipeKeepsTwoStagesAndNeedsAnEvenNumber) {
  TrainingPlan plan = deepseek();
  const Memory one = memory_of(plan);
  plan.split.schedule = Schedule::dual_pipe;
  EXPECT_DOUBLE_EQ(memory_of(plan).weights, 2 * one.weights);
  EXPECT_DOUBLE_EQ(memory_of(plan).gradients, 2 * one.gradients);
  EXPECT_DOUBLE_EQ(memory_of(plan).optimizer, one.optimizer);
  EXPECT_DOUBLE_EQ(memory_of(plan).activations, one.activations * 17 / 16);
  plan.split.pipeline = 21, plan.gpus = 21 * 64;
  EXPECT_THAT(plan_problem(plan), HasSubstr("an even --pp works, not 21"));
}

// As it was published to have run, on 80 GB.
TEST(Pipelines, DeepSeeksOwnRunFits) {
  TrainingPlan plan = deepseek();
  plan.model.prediction_layers = 1, plan.split.schedule = Schedule::dual_pipe, plan.precision = Precision::fp8;
  plan.stack = stack_named(published_runs(), "hai-llm").stack;
  ASSERT_TRUE(parse("norms,latent_up", plan.parts));
  EXPECT_NO_THROW(expect_fits(plan, h100())) << memory_of(plan).total() / 1e9;
}

TEST(Recomputation, OfPartsTakesTimeAndSavesMemory) {
  for (const char* part : {"norms", "latent_up", "activation", "dense", "experts"}) {
    TrainingPlan plan = deepseek();
    ASSERT_TRUE(parse(part, plan.parts));
    EXPECT_EQ(name_of(plan.parts), part);
    EXPECT_GT(seconds_of(plan, h100()), seconds_of(deepseek(), h100())) << part;
    EXPECT_LT(memory_of(plan).activations, memory_of(deepseek()).activations) << part;
  }
  RecomputedParts parts;
  EXPECT_TRUE(parse("norms,experts", parts));
  EXPECT_TRUE(parts.norms && parts.experts && !parts.dense);
  EXPECT_FALSE(parse("norm", parts));
  EXPECT_FALSE(parse("norms,,experts", parts));
}

// torchtitan's: of a layer's forward products k, output and up again in bf16, all in fp8.
TEST(Recomputation, OfEverySecondProduct) {
  TrainingPlan plan = plan_of("llama3-8b", 8, 1, 1);
  plan.split.zero = 3;
  const LayerTime kept = layer_time(plan, h100(), Shares{});
  plan.stack.recomputes_products = true;
  const LayerTime again = layer_time(plan, h100(), Shares{});
  const auto product = [&](double n, double k) {
    return gemm_seconds({{8192, n, k}, Precision::bf16, GemmPass::forward, 1}, h100());
  };
  EXPECT_NEAR(again.backward.gemm - kept.backward.gemm,
              product(1024, 4096) + product(4096, 4096) + product(14336, 4096), 1e-12);
  plan.precision = Precision::fp8;
  const LayerTime narrow = layer_time(plan, h100(), Shares{});
  plan.stack.recomputes_products = false;
  EXPECT_NEAR(narrow.backward.gemm - layer_time(plan, h100(), Shares{}).backward.gemm, narrow.forward.gemm, 1e-12);
}

// FlashAttention-3's curve: 625 s / (s + 400) TFLOP/s forward on an H100.
TEST(Attention, RampsWithLength) {
  const auto rate = [](double keys) {
    AttentionCall call;
    call.heads = 16, call.queries = call.keys = keys;
    return 0.5 * 16 * keys * keys * 2 * 256 / (attention_seconds(call, h100()) - h100().launch_seconds);
  };
  for (const auto& [keys, published] :
       {std::pair{1024.0, 423e12}, {2048.0, 521e12}, {4096.0, 579e12}, {8192.0, 602e12}, {16384.0, 616e12}})
    EXPECT_NEAR(rate(keys) / published, 1, 0.07) << keys;
}

}  // namespace
}  // namespace assay
