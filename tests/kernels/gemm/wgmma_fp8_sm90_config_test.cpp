// What wgmma_fp8_sm90 chooses for 8-bit training: every product of a layer, in both scalings.
#include <gtest/gtest.h>

#include <cstdio>

#include "harness/suite/models.h"
#include "kernels/gemm/sm90/wgmma_config.h"

namespace assay {
namespace {

Target h200() {
  Target target;
  target.device = Device::gpu;
  target.compute_capability = 90;
  target.multiprocessors = 132;
  target.shared_bytes_per_block = 232448;
  target.l2_bytes = std::size_t(50) << 20;
  return target;
}

GemmProblem problem_of(std::int64_t m, std::int64_t n, std::int64_t k, GemmScaling scaling, bool accumulate = false) {
  GemmProblem p;
  p.m = m, p.n = n, p.k = k, p.dtype = DType::e4m3, p.scaling = scaling, p.accumulate = accumulate;
  return p;
}

/// Forward, dgrad and wgrad of each layer of each model; the last two on transposed copies, so that k is contiguous.
std::vector<std::pair<std::string, GemmProblem>> training_problems(GemmScaling scaling) {
  struct Choice {
    const char* model;
    std::int64_t tensor_parallel, tokens;
  };
  std::vector<std::pair<std::string, GemmProblem>> problems;
  for (const Choice& c : {Choice{"llama3-8b", 1, 8192}, Choice{"llama3-70b", 8, 8192}, Choice{"llama3-405b", 8, 8192},
                          Choice{"gpt3-175b", 8, 2048}, Choice{"deepseek-v3", 1, 4096}})
    for (const ModelGemm& g : find_model(c.model).gemms(c.tensor_parallel, c.tokens))
      problems.push_back({g.label, problem_of(g.m, g.n, g.k, scaling, g.layout == GemmLayout::nt)});
  return problems;
}

TEST(WgmmaFp8Sm90Config, NamesAConfigurationForEveryTrainingGemmAndSaysWhy) {
  for (const GemmScaling scaling : {GemmScaling::tensor, GemmScaling::block}) {
    const auto problems = training_problems(scaling);
    ASSERT_GE(problems.size(), 60u);
    for (const auto& [label, p] : problems) {
      ASSERT_TRUE(fits_wgmma_sm90(p, h200()).ok()) << label << fits_wgmma_sm90(p, h200()).reason;
      const WgmmaSm90Choice choice = choose_wgmma_sm90(p, h200());
      const std::string line = explain_wgmma_sm90(p, h200());
      std::printf("%-6s %-45s %s\n", name(scaling), label.c_str(), line.c_str());
      EXPECT_NE(line.find(name(choice.config, p.dtype)), std::string::npos);
      EXPECT_GT(choice.efficiency, 0.3) << label;
      EXPECT_LT(choice.efficiency, 1.0) << label;
      EXPECT_LE(choice.clusters * choice.config.cluster_size(), 132) << label;
    }
  }
}

TEST(WgmmaFp8Sm90Config, BlockScalingNeverClaimsTheLargeTileNorMoreSpeed) {
  const auto tensor = training_problems(GemmScaling::tensor), block = training_problems(GemmScaling::block);
  for (std::size_t i = 0; i < tensor.size(); ++i) {
    const WgmmaSm90Choice of_block = choose_wgmma_sm90(block[i].second, h200());
    EXPECT_LE(of_block.config.tile.n, 192) << block[i].first;
    // Slices are taken for a gain of 1.5 % at least, so that either may miss less.
    EXPECT_GE(of_block.clocks, choose_wgmma_sm90(tensor[i].second, h200()).clocks * 0.985) << block[i].first;
  }
}

TEST(WgmmaFp8Sm90Config, TakesTheLargestTileForLargeSquares) {
  EXPECT_EQ(name(choose_wgmma_sm90(problem_of(8192, 8192, 8192, GemmScaling::tensor), h200()).config, DType::e4m3),
            "128x256x128/c2m/s1");
  EXPECT_EQ(name(choose_wgmma_sm90(problem_of(8192, 8192, 8192, GemmScaling::block), h200()).config, DType::e4m3),
            "128x192x128/c2m/s1");
}

TEST(WgmmaFp8Sm90Config, CanBeOverridden) {
  GemmProblem p = problem_of(8192, 8192, 8192, GemmScaling::block);
  p.config = "128x128x128/c1/s1";
  EXPECT_EQ(name(choose_wgmma_sm90(p, h200()).config, p.dtype), p.config);
  p.config = "128x256x128/c2m/s1";  // a tile that block scaling has no registers for
  EXPECT_THROW(choose_wgmma_sm90(p, h200()), std::runtime_error);
  p.scaling = GemmScaling::tensor;
  EXPECT_EQ(name(choose_wgmma_sm90(p, h200()).config, p.dtype), p.config);
}

TEST(WgmmaFp8Sm90Config, CountsTheTimeToAddUp) {
  // 128 x 128: 256 clocks of a warpgroup's wgmma, 120 until their result, 64 to add it: less than the 640 of shared
  // memory that both warpgroups need.
  const GemmProblem p = problem_of(8192, 8192, 8192, GemmScaling::block);
  WgmmaSm90Config config;
  config.tile = {128, 128, 5};
  EXPECT_STREQ(predict_wgmma_sm90(p, h200(), config).limit, "shared memory");
}

}  // namespace
}  // namespace assay
