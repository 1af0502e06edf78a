// Known answers, worked by hand or published.
#include <gtest/gtest.h>

#include "harness/project/communication.h"
#include "tests/harness/project/plans.h"

namespace assay {
namespace {

constexpr double kGib = 1024.0 * 1024 * 1024;

// (p - 1) / m of the ideal time, over the chunks: Narayanan et al., section 2.2.
TEST(Bubble, OfEachSchedule) {
  Parallelism split;
  split.pipeline = 8;
  EXPECT_EQ(bubble_seconds(split, 1, 2, 1), 7 * 3);
  split.interleave = 4;
  EXPECT_EQ(bubble_seconds(split, 1, 2, 1), 7 * 3 / 4.0);
  split = {};
  split.pipeline = 8, split.schedule = Schedule::zero_bubble;
  EXPECT_EQ(bubble_seconds(split, 1, 2, 1), 7 * (1 + 2 - 2));
  split.schedule = Schedule::dual_pipe;
  EXPECT_EQ(bubble_seconds(split, 1, 2, 1), 3 * (2 + 2 - 3));
  split.pipeline = 1;
  EXPECT_EQ(bubble_seconds(split, 1, 2, 1), 0);
}

TEST(Bubble, OfAStepIsItsShare) {
  TrainingPlan plan = plan_of("llama3-70b", 64, 4, 8);  // two replicas, 512 microbatches
  EXPECT_NEAR(step_time(plan, h100(), Shares{}).bubble_share, 7.0 / 512, 1e-12);
  plan.split.interleave = 5;
  EXPECT_NEAR(step_time(plan, h100(), Shares{}).bubble_share, 7.0 / 512 / 5, 1e-12);
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
