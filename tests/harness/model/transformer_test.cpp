// Parameters and FLOP against what was published, and against sums done by hand.
#include "harness/model/transformer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "harness/suite/models.h"

namespace assay {
namespace {

Transformer model(const char* name) { return find_model(name).transformer(); }
double share_off(double got, double published) { return std::abs(got / published - 1); }

TEST(Parameters, OfLlamaToTheLastWeight) {
  // 32 (4096 (32 + 2 8) 128 + 4096 4096 + 3 4096 14336 + 2 4096) + 2 128256 4096 + 4096
  EXPECT_EQ(parameters(model("llama3-8b")).total, 8'030'261'248.0);  // as the released files have
  EXPECT_EQ(parameters(model("llama3-70b")).total, 70'553'706'496.0);
  EXPECT_EQ(parameters(model("llama3-405b")).total, 405'853'388'800.0);
}

TEST(Parameters, OfTheOthersAsPublished) {
  EXPECT_LT(share_off(parameters(model("gpt3-175b")).total, 174.6e9), 2e-3);  // arXiv 2005.14165, table D.1
  EXPECT_EQ(parameters(model("mixtral-8x7b")).total, 46'702'792'704.0);
  EXPECT_LT(share_off(parameters(model("mixtral-8x7b")).per_token, 12.9e9), 2e-3);  // arXiv 2401.04088
  EXPECT_LT(share_off(parameters(model("deepseek-v3")).total, 671e9), 1e-3);        // arXiv 2412.19437
  EXPECT_LT(share_off(parameters(model("deepseek-v3")).per_token, 37e9), 0.02);     // published to two digits
  // The models' cards, to the digits they have: 400 and 109 B, 17 B of them active; 8.2 and 32.8 B.
  EXPECT_LT(share_off(parameters(model("llama4-maverick")).total, 400e9), 3e-3);
  EXPECT_LT(share_off(parameters(model("llama4-maverick")).per_token, 17e9), 0.02);
  EXPECT_LT(share_off(parameters(model("llama4-scout")).total, 109e9), 0.015);  // vision included
  EXPECT_LT(share_off(parameters(model("llama4-scout")).per_token, 17e9), 0.02);
  EXPECT_LT(share_off(parameters(model("qwen3-8b")).total, 8.2e9), 3e-3);
  EXPECT_LT(share_off(parameters(model("qwen3-32b")).total, 32.8e9), 3e-3);
  for (const auto& each : models()) EXPECT_GT(parameters(each.transformer()).total, 1e6) << each.name;
}

TEST(Flops, OfOneTokenByHand) {
  const ForwardFlops f = forward_flops(model("llama3-8b"), 8192);
  EXPECT_EQ(f.linear, 2.0 * 32 * (4096.0 * 48 * 128 + 4096.0 * 4096 + 3.0 * 4096 * 14336));
  EXPECT_EQ(f.attention, 32.0 * 4 * 8192 * 32 * 128);
  EXPECT_EQ(f.head, 2.0 * 4096 * 128256);
}

// "405B@8k 2.625 TF/token" and 2.524 with half of attention.
TEST(Flops, ConventionsOf405B) {
  const Transformer t = model("llama3-405b");
  EXPECT_LT(share_off(training_flops(t, 8192, FlopConvention::full_attention), 2.625e12), 1e-3);
  EXPECT_LT(share_off(training_flops(t, 8192, FlopConvention::causal), 2.524e12), 1e-3);
  EXPECT_EQ(training_flops(t, 8192, FlopConvention::six_n), 6 * 405'853'388'800.0);
}

// Narayanan et al., equation 3: 96 B s l h^2 (1 + s / 6h + V / 16 l h); Korthikanti et al., appendix A: 72 B L s h^2 (1
// + s / 6h + V / 12 h L).  Both with four-fold feed-forward and as many kv heads as heads.
TEST(Flops, AreThePublishedFormulas) {
  const Transformer t = model("gpt3-175b");
  const double h = 12288, l = 96, s = 2048, v = 51200;
  EXPECT_NEAR(
      training_flops(t, s, FlopConvention::recomputed) / (96 * l * h * h * (1 + s / (6 * h) + v / (16 * l * h))), 1,
      1e-12);
  EXPECT_NEAR(
      training_flops(t, s, FlopConvention::full_attention) / (72 * l * h * h * (1 + s / (6 * h) + v / (12 * l * h))), 1,
      1e-12);
}

// Experts: those chosen and the shared one, and the router; never all of them.
TEST(Flops, OfExpertsCountThoseChosen) {
  const Transformer t = model("mixtral-8x7b");
  const double layer = 4096.0 * 48 * 128 + 4096.0 * 4096 + 2 * 3.0 * 4096 * 14336 + 4096.0 * 8;
  EXPECT_EQ(forward_flops(t, 1).linear, 2 * 32 * layer);
}

}  // namespace
}  // namespace assay
