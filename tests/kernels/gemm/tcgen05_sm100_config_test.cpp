// The model that chooses tcgen05_sm100's tile.  It knows no measurement: what is tested is its reasoning.
#include "kernels/gemm/sm100/tcgen05_config.h"

#include <gtest/gtest.h>

namespace assay {
namespace {

Target b200() {
  Target t;
  t.device = Device::gpu;
  t.compute_capability = 100;
  t.multiprocessors = 148;
  t.shared_bytes_per_block = 227 * 1024;
  return t;
}

GemmProblem problem(std::int64_t m, std::int64_t n, std::int64_t k, DType dtype = DType::bf16,
                    GemmLayout layout = GemmLayout::tn) {
  GemmProblem p;
  p.m = m, p.n = n, p.k = k, p.dtype = dtype, p.layout = layout;
  return p;
}

std::string chosen(const GemmProblem& p) { return choose_tcgen05_sm100(p, b200()).name(); }

TEST(Tcgen05Config, LargeTilesWhereThereAreManyAndSmallOnesWhereThereAreFew) {
  EXPECT_EQ(chosen(problem(8192, 8192, 8192)), "256x256");
  EXPECT_EQ(chosen(problem(4096, 4096, 4096)), "256x256");
  EXPECT_EQ(chosen(problem(1024, 1024, 4096)), "256x128");  // 32 tiles for 74 pairs, where 256 x 256 has 16
  EXPECT_EQ(chosen(problem(128, 18944, 4096)), "128x128");  // one row of 148 tiles: pairs would need two waves
  EXPECT_EQ(chosen(problem(2048, 2048, 4096)), "256x256");  // 64 tiles: one wave; smaller ones would need two
}

TEST(Tcgen05Config, CountsWaves) {
  const Tcgen05Choice c = choose_tcgen05_sm100(problem(8192, 8192, 8192), b200());
  EXPECT_EQ(c.items, 1024);
  EXPECT_EQ(c.concurrent, 74);
  EXPECT_EQ(c.waves(), 14);
  EXPECT_EQ(c.k_tiles, 128);
  // 1024 tiles in 14 waves of 74 fill 98.8 %; a tile's 128 stages take 512 clocks each, and nothing else counts but the
  // start and one epilogue of 128 * 256 * 2 bytes at 29 a clock.
  EXPECT_DOUBLE_EQ(c.clocks, 2000 + 14 * 128 * 512 + 128 * 256 * 2 / 29.0);
  EXPECT_NEAR(c.efficiency, 1024.0 / (14 * 74) * (14 * 128 * 512) / c.clocks, 1e-9);
}

TEST(Tcgen05Config, SplitsKOnlyWhereResultsAreAdded) {
  GemmProblem p = problem(256, 7168, 32768, DType::bf16, GemmLayout::nt);  // a router's wgrad: 28 tiles
  EXPECT_GT(choose_tcgen05_sm100(p, b200()).splits, 1);
  p.layout = GemmLayout::tn;
  EXPECT_EQ(choose_tcgen05_sm100(p, b200()).splits, 1);
  p.accumulate = true;
  EXPECT_GT(choose_tcgen05_sm100(p, b200()).splits, 1);
}

TEST(Tcgen05Config, NoSplitIsEmptyAndTogetherTheyCoverK) {
  for (std::int64_t k : {64, 640, 1000, 4096, 9984}) {
    GemmProblem p = problem(256, 256, k, DType::bf16, GemmLayout::nt);
    for (const Tcgen05Choice& c : rate_tcgen05_sm100(p, b200())) {
      EXPECT_GE(c.splits * c.k_tiles_per_split, c.k_tiles);
      EXPECT_LT((c.splits - 1) * c.k_tiles_per_split, c.k_tiles);
    }
  }
}

TEST(Tcgen05Config, TakesANameFromTheProblem) {
  GemmProblem p = problem(8192, 8192, 8192);
  for (const Tcgen05Tile& tile : kTcgen05Tiles) {
    p.config = tile.name;
    EXPECT_EQ(chosen(p), tile.name);
  }
  p.accumulate = true;
  p.config = "128x128/4";
  EXPECT_EQ(chosen(p), "128x128/4");
  for (const char* bad : {"64x64", "256x256/", "256x256/1", "256x256/17", "256x256/2x", "256x256/-2"}) {
    p.config = bad;
    EXPECT_THROW(choose_tcgen05_sm100(p, b200()), std::runtime_error) << bad;
  }
  p.accumulate = false;
  p.config = "128x128/4";
  EXPECT_THROW(choose_tcgen05_sm100(p, b200()), std::runtime_error);
}

TEST(Tcgen05Config, HalfPanelsOf8BitOperandsAreNotTaken) {
  GemmProblem p = problem(256, 128, 4096, DType::e4m3, GemmLayout::nn);
  p.config = "256x128";
  EXPECT_THROW(choose_tcgen05_sm100(p, b200()), std::runtime_error);
  p.layout = GemmLayout::tn;
  EXPECT_EQ(chosen(p), "256x128");
  p.dtype = DType::bf16, p.layout = GemmLayout::nn;
  EXPECT_EQ(chosen(p), "256x128");
}

TEST(Tcgen05Config, EveryKindTakesTheSameClocksPerByteOfK) {
  const double bf16 = choose_tcgen05_sm100(problem(8192, 8192, 8192), b200()).clocks;
  EXPECT_DOUBLE_EQ(choose_tcgen05_sm100(problem(8192, 8192, 16384, DType::e4m3), b200()).clocks, bf16);
  GemmProblem nv = problem(8192, 8192, 32768, DType::e2m1);
  nv.scaling = GemmScaling::nv;
  EXPECT_GT(choose_tcgen05_sm100(nv, b200()).clocks,
            bf16);  // factors are loaded, half of each accumulator is emptied before the next tile
}

// The training shapes of Llama-3, GPT-3, Mixtral and DeepSeek-V3 (tokens, outputs, inputs), forward and both gradients.
TEST(Tcgen05Config, NamesAConfigurationForEveryTrainingShape) {
  constexpr std::int64_t kForward[][3] = {
      {8192, 6144, 4096},  {8192, 4096, 4096},  {8192, 28672, 4096},  {8192, 4096, 14336},  {8192, 128256, 4096},
      {8192, 1280, 8192},  {8192, 8192, 1024},  {8192, 7168, 8192},   {8192, 8192, 3584},   {8192, 16032, 8192},
      {8192, 2560, 8192},  {8192, 8192, 2048},  {8192, 14336, 8192},  {8192, 8192, 7168},   {8192, 32064, 8192},
      {8192, 2304, 16384}, {8192, 16384, 2048}, {8192, 13312, 16384}, {8192, 16384, 6656},  {8192, 16032, 16384},
      {2048, 4608, 12288}, {2048, 12288, 1536}, {2048, 6144, 12288},  {2048, 12288, 6144},  {2048, 6400, 12288},
      {4096, 2112, 7168},  {4096, 24576, 1536}, {4096, 32768, 512},   {4096, 7168, 16384},  {4096, 4096, 7168},
      {4096, 36864, 7168}, {4096, 7168, 2048},  {4096, 7168, 18432},  {4096, 129280, 7168}, {4096, 256, 7168},
  };
  for (const auto& s : kForward) {
    const GemmProblem passes[] = {problem(s[0], s[1], s[2]), problem(s[0], s[2], s[1], DType::bf16, GemmLayout::nn),
                                  problem(s[1], s[2], s[0], DType::bf16, GemmLayout::nt)};
    for (const GemmProblem& p : passes) {
      const Tcgen05Choice c = choose_tcgen05_sm100(p, b200());
      const bool few = p.m * p.n < std::int64_t(74) * 256 * 256;
      EXPECT_GT(c.efficiency, few ? 0.25 : 0.6) << explain_tcgen05_sm100(p, b200());
      EXPECT_LE(c.efficiency, 1.0) << explain_tcgen05_sm100(p, b200());
    }
  }
}

TEST(Tcgen05Config, ExplainsItselfInOneLine) {
  EXPECT_EQ(explain_tcgen05_sm100(problem(8192, 8192, 8192), b200()),
            "256x256 by pairs of CTAs, 1024 tiles in 14 waves of 74, the last 84 % full; 921764 clocks expected, 98 % "
            "of the tensor cores (model, not measured)");
}

}  // namespace
}  // namespace assay
