// Known answers, worked by hand or published.
#include <gtest/gtest.h>

#include <algorithm>

#include "harness/core/error.h"
#include "harness/project/communication.h"
#include "tests/harness/project/plans.h"

namespace assay {
namespace {

constexpr double kGib = 1024.0 * 1024 * 1024;

// (p - 1) / m of the ideal time, over the chunks: Narayanan et al., section 2.2.
TEST(Bubble, OfEachSchedule) {
  Parallelism split;
  split.pipeline = 8;
  EXPECT_EQ(bubble_seconds(split, 64, 1, 2, 1), 7 * 3);
  split.interleave = 4;
  EXPECT_EQ(bubble_seconds(split, 64, 1, 2, 1), 7 * 3 / 4.0);
  split = {};
  split.pipeline = 8, split.schedule = Schedule::zero_bubble;
  EXPECT_EQ(bubble_seconds(split, 64, 1, 2, 1), 7 * (1 + 2 - 2));
  split.schedule = Schedule::dual_pipe;
  EXPECT_EQ(bubble_seconds(split, 64, 1, 2, 1), 3 * (2 + 2 - 3));
  split.pipeline = 1;
  EXPECT_EQ(bubble_seconds(split, 64, 1, 2, 1), 0);
}

TEST(Bubble, OfAStepIsItsShare) {
  TrainingPlan plan = plan_of("llama3-70b", 64, 4, 8);  // two replicas, 512 microbatches
  EXPECT_NEAR(step_time(plan, h100(), Shares{}).bubble_share, 7.0 / 512, 1e-12);
  plan.split.interleave = 5;
  EXPECT_NEAR(step_time(plan, h100(), Shares{}).bubble_share, 7.0 / 512 / 5, 1e-12);
}

/// All forward, then all backward of v chunks on each of p stages, event by event: when the last one ends.
double simulated(std::int64_t p, std::int64_t v, std::int64_t m, double chunk) {
  std::vector<double> free(std::size_t(p), 0.0);
  std::vector<double> done(std::size_t(m), 0.0);  // of a microbatch: when its last chunk so far ended
  const auto group = std::min(p, m);
  for (std::int64_t first = 0; first < m; first += group)
    for (std::int64_t c = 0; c < v; ++c)
      for (std::int64_t d = 0; d < p; ++d)
        for (std::int64_t j = first; j < std::min(m, first + group); ++j)
          done[std::size_t(j)] = free[std::size_t(d)] = std::max(done[std::size_t(j)], free[std::size_t(d)]) + chunk;
  return *std::max_element(free.begin(), free.end());
}

// With fewer microbatches than stages a chunk waits for the first one to come round.
TEST(Bubble, OfInterleavingAsSimulated) {
  for (const std::int64_t p : {2, 4, 8})
    for (const std::int64_t v : {1, 2, 5})
      for (const std::int64_t m : {1, 2, 3, 4, 7, 8, 16, 24}) {
        if (m > p && m % p != 0) continue;
        Parallelism split;
        split.pipeline = p, split.interleave = v;
        const double forward = 1, backward = 2;
        EXPECT_NEAR(double(m) * (forward + backward) + bubble_seconds(split, double(m), forward, backward, 1),
                    simulated(p, v, m, forward / double(v)) + simulated(p, v, m, backward / double(v)), 1e-9)
            << p << ' ' << v << ' ' << m;
      }
}

// The chain of a first forward and a last backward is not shorter than they are, however little there is to fill in.
TEST(Bubble, OfZeroBubbleWithFewMicrobatches) {
  Parallelism split;
  split.pipeline = 8, split.schedule = Schedule::zero_bubble;
  for (const double m : {1.0, 2.0, 7.0, 8.0})  // (m + p - 1) (F + B) and one W; here B of 2 has W of 1 in it
    EXPECT_DOUBLE_EQ(m * 3 + bubble_seconds(split, m, 1, 2, 1), (m + 7) * 2 + 1) << m;
}

// Split gradients are summed under each microbatch's own backward: ten microbatches hide ten times as much.
TEST(Communication, ZeroTwoHidesUnderEveryMicrobatch) {
  TrainingPlan plan = plan_of("llama3-8b", 64, 1, 1);
  plan.split.zero = 2, plan.global_batch = 64;
  const double one = step_time(plan, h100(), Shares{}).data;
  plan.global_batch = 640;
  const double ten = step_time(plan, h100(), Shares{}).data;
  EXPECT_GT(ten, one);
  EXPECT_LT(ten, 10 * one);
  plan.split.zero = 1;
  EXPECT_LT(step_time(plan, h100(), Shares{}).data, ten);
}

TEST(Communication, RingAllReduce) {
  Hardware hw;
  hw.domain = 8, hw.link_bytes_per_second = 400e9, hw.network_bytes_per_second = 50e9;
  // 2 (7/8) 8e9 / 400e9 s, and 7 steps of 3.4 us twice with their starts
  EXPECT_NEAR(all_reduce_seconds(8e9, {8, 1}, hw), 2 * (7e9 / 400e9 + 8.4e-6 + 7 * 3.4e-6), 1e-12);
  EXPECT_EQ(all_reduce_seconds(8e9, {1, 1}, hw), 0);
  // One rank a node: its own NIC; all eight: theirs together, as far as the links carry.
  EXPECT_EQ(bus_bytes_per_second({16, 8}, hw), 50e9);
  EXPECT_EQ(bus_bytes_per_second({16, 2}, hw), 200e9);
  EXPECT_EQ(bus_bytes_per_second({64, 1}, hw), 400e9);
}

TEST(Communication, WhatDoesNotHide) {
  EXPECT_EQ(exposed_seconds(10, 4, 1e9, 0), 6);        // longer than its window
  EXPECT_EQ(exposed_seconds(10, 100, 5, 0), 2);        // the last of five pieces
  EXPECT_EQ(exposed_seconds(10, 100, 5, 0.5), 2 + 4);  // and half of what hides
}

// Korthikanti et al., figure 1: GPT-3 175B, 64 GPUs, tensor 8, pipeline 8 of 3 chunks, one sequence of 2048.
TEST(Memory, Of175BAsPublished) {
  TrainingPlan plan = plan_of("gpt3-175b", 64, 8, 8, 3);
  plan.global_batch = 64, plan.sequence = 2048, plan.split.zero = 0;
  plan.stack.flash_attention = false, plan.stack.dropout = true;
  const Memory selective = memory_of(plan);
  EXPECT_NEAR(selective.states() / kGib, 45.56, 0.03 * 45.56);
  EXPECT_NEAR(selective.activations / kGib, 12.35, 0.005 * 12.35);
  plan.split.sequence_parallel = false, plan.recompute = Recompute::none;
  EXPECT_NEAR(memory_of(plan).activations / kGib, 66.84, 0.005 * 66.84);
}

TEST(Memory, ZeroSplitsItsStage) {
  TrainingPlan plan = plan_of("llama3-8b", 64, 1, 1);
  const double n = local_parameters(plan).total();
  EXPECT_NEAR(n, 8.03e9, 0.01e9);
  const auto states = [&](int zero) { return plan.split.zero = zero, memory_of(plan).states(); };
  EXPECT_DOUBLE_EQ(states(0), 18 * n);
  EXPECT_DOUBLE_EQ(states(1), (6 + 12.0 / 64) * n);
  EXPECT_DOUBLE_EQ(states(2), (2 + 16.0 / 64) * n);
  EXPECT_DOUBLE_EQ(states(3), 18.0 / 64 * n);
}

// What is gathered once a step for all microbatches in flight is whole meanwhile: only the optimizer is split.
TEST(Memory, ZeroThreeWithAPipelineKeepsAStageWhole) {
  TrainingPlan plan = plan_of("llama3-70b", 256, 4, 8);
  const Memory one = memory_of(plan);
  plan.split.zero = 3;
  const Memory three = memory_of(plan);
  EXPECT_DOUBLE_EQ(three.gathered, one.weights);
  EXPECT_DOUBLE_EQ(three.gradients, one.gradients);
  EXPECT_DOUBLE_EQ(three.optimizer, one.optimizer);
  EXPECT_GT(three.total(), one.total());
}

// 15 microbatches over 8 stages: 8 and 7 would leave a gap, so that all 15 pass each chunk in turn.
TEST(Memory, OfAwkwardNumbersOfMicrobatches) {
  TrainingPlan plan = plan_of("llama3-70b", 64, 8, 8, 5);
  const auto group = [&](std::int64_t microbatches) {
    return plan.global_batch = microbatches, microbatch_group(plan);
  };
  EXPECT_EQ(group(64), 8);
  EXPECT_EQ(group(15), 15);
  EXPECT_EQ(group(20), 10);
  EXPECT_EQ(group(5), 5);
  plan.global_batch = 16;
  EXPECT_DOUBLE_EQ(layers_in_flight(plan), 10 * 8 * (1 + 7 / 40.0));
  plan.global_batch = 15;
  EXPECT_DOUBLE_EQ(layers_in_flight(plan), 10 * (15 + 4 * 15) / 5.0);
}

// 30 layers and two ends over 16 stages: the first has one layer, and an embedding larger than it.
TEST(Memory, AnEndWithALargeEmbeddingIsTheFullest) {
  TrainingPlan plan = plan_of("llama3-8b", 16, 1, 16);
  plan.model.layers = plan.model.dense_layers = 30;
  plan.sequence = 256;  // of activations little
  const Parameters p = parameters(plan.model);
  const double layer = p.attention + p.dense + 2 * 4096;
  EXPECT_GT(p.embedding, layer);
  EXPECT_DOUBLE_EQ(memory_of(plan).weights, 2 * (layer + p.embedding));
}

// A head of 50257 on 8 ranks is one of 50264, as Megatron-LM pads it.
TEST(Memory, VocabulariesArePadded) {
  TrainingPlan plan = plan_of("llama3-8b", 64, 8, 1);
  plan.model.vocabulary = 50257;
  EXPECT_EQ(plan_problem(plan), "");
  EXPECT_EQ(plan.local_vocabulary(), 6283);
  TrainingPlan padded = plan;
  padded.model.vocabulary = 50264;
  EXPECT_DOUBLE_EQ(memory_of(plan).logits, memory_of(padded).logits);
}

TEST(Memory, ExpertsAreSpread) {
  TrainingPlan plan = plan_of("mixtral-8x7b", 64, 1, 1);
  const double whole = local_parameters(plan).total();
  plan.split.expert = 8;
  const double routed = 32.0 * 8 * 3 * 4096 * 14336;
  EXPECT_DOUBLE_EQ(local_parameters(plan).total(), whole - routed * 7 / 8);
}

// 2048 nodes at 3.79 failures a 1000 node-days: one in 3.09 hours (Llama 3); 30 s and 600 s give 817 s.
TEST(Goodput, OfLlama3) {
  const double m = interruption_seconds(2048, 3.79);
  EXPECT_NEAR(m / 3600, 3.09, 0.01);
  EXPECT_NEAR(young_interval(30, 3.09 * 3600), 817, 1);
  const double first_order = 1 - (30.0 / 817 + (817 / 2.0 + 600) / (3.09 * 3600));
  EXPECT_NEAR(first_order, 0.873, 0.001);
  EXPECT_NEAR(goodput_share(817, {30, 600}, 3.09 * 3600), first_order, 0.01);
  EXPECT_NEAR(goodput_share(817, {30, 600}, 1e12), 817.0 / 847, 1e-6);  // without failures only checkpoints cost
}

// A failure every 2 seconds, and ten minutes to restart: no run ends.
TEST(Goodput, RefusesWhatNeverEnds) {
  ProjectionInput in;
  in.plan = plan_405b(), in.hardware = h100(), in.cluster = cluster_named("dgx-h100");
  in.cluster.failures_per_1000_node_days.value = 1e6;
  try {
    project(in);
    FAIL() << "accepted";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("failures a day"), std::string::npos) << error.what();
  }
}

TEST(Money, OfTokens) {
  const Bill b = bill(86400e6, 1e6, 100, 0.5, 1000, 1.2, 2);  // a day at full goodput, two at half
  EXPECT_DOUBLE_EQ(b.days, 2);
  EXPECT_DOUBLE_EQ(b.gpu_hours, 4800);
  EXPECT_DOUBLE_EQ(b.kilowatt_hours, 5760);
  EXPECT_DOUBLE_EQ(b.dollars, 9600);
}

// One tile: 2 128 256 (k + 128) at the rate; or what must move.
TEST(Kernel, GemmByHand) {
  Hardware hw;
  hw.tiles = {{128, 256, 1.0}};
  hw.gemm_flops[0] = 1e12, hw.memory_bytes_per_second = 1e15;
  EXPECT_DOUBLE_EQ(modelled_gemm_seconds({{128, 256, 896}}, hw), 2.0 * 128 * 256 * 1024 / 1e12);
  // One tile too many makes a second wave, of which 0.7 is lost.
  hw.multiprocessors = 2;
  EXPECT_DOUBLE_EQ(modelled_gemm_seconds({{384, 256, 896}}, hw), (1.5 + 0.7 * 0.5) * 2 * 2.0 * 128 * 256 * 1024 / 1e12);
  hw.memory_bytes_per_second = 1e6;
  EXPECT_DOUBLE_EQ(modelled_gemm_seconds({{128, 256, 896}}, hw), 2.0 * (128 * 896 + 256 * 896 + 128 * 256) / 1e6);
}

}  // namespace
}  // namespace assay
