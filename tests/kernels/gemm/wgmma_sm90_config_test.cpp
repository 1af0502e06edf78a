// The schedule and the cost model of wgmma_sm90, for every GEMM of every model in configs/models.
#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <set>

#include "harness/suite/models.h"
#include "kernels/common/ptx/wgmma_descriptor.h"
#include "kernels/gemm/sm90/wgmma_config.h"

namespace assay {
namespace {

constexpr int kH100Multiprocessors = 132;

Target hopper(int multiprocessors = kH100Multiprocessors) {
  Target t;
  t.device = Device::gpu;
  t.compute_capability = 90;
  t.multiprocessors = multiprocessors;
  t.shared_bytes_per_block = 232448;
  return t;
}

/// Forward, dgrad and wgrad of each layer of each model, as facts of training: 8192 tokens (GPT-3 2048, DeepSeek 4096).
std::vector<std::pair<std::string, GemmProblem>> training_problems() {
  struct Choice {
    const char* model;
    std::int64_t tensor_parallel, tokens;
  };
  std::vector<std::pair<std::string, GemmProblem>> problems;
  for (const Choice& c : {Choice{"llama3-8b", 1, 8192}, Choice{"llama3-70b", 8, 8192}, Choice{"llama3-405b", 8, 8192},
                          Choice{"gpt3-175b", 8, 2048}, Choice{"deepseek-v3", 1, 4096}})
    for (const ModelGemm& g : find_model(c.model).gemms(c.tensor_parallel, c.tokens))
      problems.push_back({g.label, {g.m, g.n, g.k, g.layout, DType::bf16}});
  return problems;
}

// ---- the schedule -------------------------------------------------------------------------------------------------
/// How often each (row, column, k tile) is computed by all cursors together.
std::map<std::tuple<int, int, int>, int> coverage(const DenseSchedule& schedule, WgmmaPlace place) {
  std::map<std::tuple<int, int, int>, int> times;
  for (place.cluster = 0; place.cluster < place.clusters; ++place.cluster)
    for (place.rank = 0; place.rank < place.cluster_m * place.cluster_n; ++place.rank) {
      DenseSchedule::Cursor cursor(schedule, place);
      for (WgmmaWork work; cursor.next(work);) {
        EXPECT_GE(work.k_tiles, 1);
        EXPECT_EQ(work.a_mn, work.m);
        EXPECT_EQ(work.b_mn, work.n);
        for (int k = 0; k < work.k_tiles; ++k) ++times[{work.m, work.n, work.k + k * place.tile_k}];
      }
    }
  return times;
}

TEST(WgmmaSm90Schedule, EveryTileOfEveryKIsComputedOnce) {
  for (const int cluster_m : {1, 2})
    for (const int cluster_n : {1, 2})
      for (const int sliced : {0, 1, 5, 21})
        for (const int slices : {2, 3, 7}) {
          if (cluster_m + cluster_n == 4) continue;
          const DenseSchedule schedule{3, 7, 2, 11, sliced, sliced ? slices : 1};
          const WgmmaPlace place{0, 4, 0, cluster_m, cluster_n, 128, 256, 64};
          const auto times = coverage(schedule, place);
          EXPECT_EQ(times.size(), std::size_t(3 * cluster_m * 7 * cluster_n * 11));
          for (const auto& [where, count] : times) EXPECT_EQ(count, 1);
        }
}

TEST(WgmmaSm90Schedule, SlicesOfATileFollowEachOtherAndAreNumbered) {
  const DenseSchedule schedule{1, 2, 1, 10, 2, 3};
  std::map<int, std::set<std::pair<int, int>>> slices;  // of each sliced tile: (slice, k)
  for (int cluster = 0; cluster < 2; ++cluster) {
    DenseSchedule::Cursor cursor(schedule, {cluster, 2, 0, 1, 1, 128, 256, 64});
    for (WgmmaWork work; cursor.next(work);) {
      EXPECT_EQ(work.slices, 3);
      slices[work.sliced_tile].insert({work.slice, work.k});
    }
  }
  const std::set<std::pair<int, int>> expected{{0, 0}, {1, 3 * 64}, {2, 6 * 64}};
  EXPECT_EQ(slices[0], expected);
  EXPECT_EQ(slices[1], expected);
}

// ---- the model ----------------------------------------------------------------------------------------------------
TEST(WgmmaSm90Model, TakesTheStatedClocksPerTileOfK) {
  // One tile, enough k for all else to vanish: 1024, 832 and 640 clocks of 128 x 256, 192 and 128.
  GemmProblem p{128, 256, 64 * 1000000, GemmLayout::tn, DType::bf16};
  const auto per_k_tile = [&](const WgmmaSm90Tile& tile) {
    return predict_wgmma_sm90(p, hopper(), {tile, 1, 1, 1}).clocks / 1e6;
  };
  EXPECT_NEAR(per_k_tile(kWgmmaSm90Tiles[0]), 1024, 1);
  p.n = 192;
  EXPECT_NEAR(per_k_tile(kWgmmaSm90Tiles[1]), 832, 1);
  p.n = 128;
  EXPECT_NEAR(per_k_tile(kWgmmaSm90Tiles[2]), 640, 1);
}

TEST(WgmmaSm90Model, NamesAConfigurationForEveryTrainingGemm) {
  const auto problems = training_problems();
  ASSERT_GE(problems.size(), 60u);
  for (const auto& [label, p] : problems) {
    if (!supports_wgmma_sm90(p, hopper()).ok()) continue;
    const WgmmaSm90Choice c = choose_wgmma_sm90(p, hopper());
    std::printf("%-45s %s\n", label.c_str(), explain_wgmma_sm90(p, hopper()).c_str());
    EXPECT_GT(c.efficiency, 0.5) << label;  // the router's GEMMs, smaller than the machine, are the worst
    EXPECT_LT(c.efficiency, 1.0) << label;
    EXPECT_GT(c.waves, 0) << label;
    EXPECT_LE(c.clusters * c.config.cluster_size(), kH100Multiprocessors) << label;
    EXPECT_LE(c.schedule.sliced_tiles, c.schedule.tiles()) << label;
  }
}

TEST(WgmmaSm90Model, LargeTrainingGemmsAreNearThePeak) {
  for (const auto& [label, p] : training_problems()) {
    const double flop = 2.0 * double(p.m) * double(p.n) * double(p.k);
    if (flop < 5e11 || p.k < 4096) continue;
    EXPECT_GT(choose_wgmma_sm90(p, hopper()).efficiency, 0.88) << label;
  }
}

TEST(WgmmaSm90Model, ChoosesNothingWorseThanTheDefault) {
  for (const auto& [label, p] : training_problems()) {
    const WgmmaSm90Choice chosen = choose_wgmma_sm90(p, hopper());
    EXPECT_LE(chosen.clocks, predict_wgmma_sm90(p, hopper(), {}).clocks) << label;
  }
}

TEST(WgmmaSm90Model, SlicesOnlyForAPromisedGain) {
  for (const auto& [label, p] : training_problems()) {
    const WgmmaSm90Choice chosen = choose_wgmma_sm90(p, hopper());
    if (chosen.config.slices == 1) continue;
    for (const WgmmaSm90Config& config : wgmma_sm90_configs(p)) {
      if (config.slices > 1) continue;
      EXPECT_LT(chosen.clocks, 0.985 * predict_wgmma_sm90(p, hopper(), config).clocks) << label;
    }
  }
}

TEST(WgmmaSm90Model, SlicesFillTheMachineWhereTilesAreFew) {
  const GemmProblem router{4096, 256, 7168, GemmLayout::tn, DType::bf16};  // 16 cluster tiles of 256 x 256 for 66
  const WgmmaSm90Choice chosen = choose_wgmma_sm90(router, hopper());
  EXPECT_GT(chosen.config.slices, 1);
  EXPECT_LT(chosen.clocks, predict_wgmma_sm90(router, hopper(), {}).clocks / 2);
}

TEST(WgmmaSm90Model, MulticastMakesUpForL2) {
  GemmProblem p{8192, 8192, 8192, GemmLayout::tn, DType::bf16};
  const WgmmaSm90Choice pair = predict_wgmma_sm90(p, hopper(), {kWgmmaSm90Tiles[0], 2, 1, 1});
  const WgmmaSm90Choice alone = predict_wgmma_sm90(p, hopper(), {kWgmmaSm90Tiles[0], 1, 1, 1});
  EXPECT_STREQ(pair.limit, "tensor cores");
  EXPECT_STREQ(alone.limit, "L2");
  EXPECT_LT(pair.clocks, alone.clocks);
}

// ---- names and refusals -------------------------------------------------------------------------------------------
TEST(WgmmaSm90Config, IsNamedAndFoundByItsName) {
  GemmProblem p{4096, 4096, 4096, GemmLayout::tn, DType::bf16};
  std::set<std::string> names;
  for (const WgmmaSm90Config& config : wgmma_sm90_configs(p)) {
    p.config = name(config, p.dtype);
    EXPECT_TRUE(names.insert(p.config).second) << p.config;
    EXPECT_EQ(name(choose_wgmma_sm90(p, hopper()).config, p.dtype), p.config);
  }
  EXPECT_TRUE(names.count("128x256x64/c2m/s1"));
  EXPECT_TRUE(names.count("128x192x64/c2n/s4"));
}

TEST(WgmmaSm90Config, RefusesWhatItDoesNotTake) {
  GemmProblem p{256, 256, 256, GemmLayout::tn, DType::bf16};
  EXPECT_TRUE(supports_wgmma_sm90(p, hopper()).ok());
  Target other = hopper();
  other.compute_capability = 100;
  EXPECT_NE(supports_wgmma_sm90(p, other).reason.find("9.0"), std::string::npos);
  p.config = "512x512";
  EXPECT_NE(supports_wgmma_sm90(p, hopper()).reason.find("128x256x64/c2m/s1"), std::string::npos);
  p.config.clear();
  p.k = 252;
  EXPECT_NE(supports_wgmma_sm90(p, hopper()).reason.find("16 bytes"), std::string::npos);
  p.k = 256, p.n = 252;  // k-major operands do not mind, but rows of d
  EXPECT_NE(supports_wgmma_sm90(p, hopper()).reason.find("16 bytes"), std::string::npos);
  p = {256, 256, 256, GemmLayout::nn, DType::tf32};
  EXPECT_NE(supports_wgmma_sm90(p, hopper()).reason.find("layout tn"), std::string::npos);
}

// ---- operands in shared memory ------------------------------------------------------------------------------------
TEST(WgmmaDescriptor, FieldsAreWhereTheManualPutsThem) {
  const std::uint64_t d = ptx::wgmma_descriptor(0x12340, 0x2000, 1024);
  EXPECT_EQ(d & 0x3fff, 0x1234u);
  EXPECT_EQ(d >> 16 & 0x3fff, 0x200u);
  EXPECT_EQ(d >> 32 & 0x3fff, 64u);
  EXPECT_EQ(d >> 49 & 7, 0u);
  EXPECT_EQ(d >> 62, 1u);
}

TEST(WgmmaDescriptor, SwizzleExchangesChunksWithinRows) {
  for (std::uint32_t row = 0; row < 16; ++row) {
    std::set<std::uint32_t> seen;
    for (std::uint32_t chunk = 0; chunk < 8; ++chunk) {
      const std::uint32_t to = ptx::swizzle_128b(row * 128 + chunk * 16);
      EXPECT_EQ(to, row * 128 + (chunk ^ row % 8) * 16);
      seen.insert(to);
    }
    EXPECT_EQ(seen.size(), 8u);
  }
}

TEST(WgmmaDescriptor, TilesAreRowsOrPanels) {
  using KMajor = ptx::SwizzledTile<ptx::Major::k, 256, 2>;
  EXPECT_EQ(KMajor::kBytes, 256 * 128);
  EXPECT_EQ(KMajor::descriptor(1024, 64), ptx::wgmma_descriptor(1024 + 64 * 128, 16, 1024));
  EXPECT_EQ(KMajor::kDescriptorStep, 2u);  // 16 elements: 32 bytes, in units of 16
  using MnMajor = ptx::SwizzledTile<ptx::Major::mn, 192, 2>;
  EXPECT_EQ(MnMajor::kPanels, 3);
  EXPECT_EQ(MnMajor::kBytes, 3 * MnMajor::kPanelBytes);
  EXPECT_EQ(MnMajor::descriptor(1024, 64), ptx::wgmma_descriptor(1024 + 64 * 128, 64 * 128, 1024));
  EXPECT_EQ(MnMajor::kDescriptorStep, 128u);  // 16 rows of k
  using Words = ptx::SwizzledTile<ptx::Major::k, 128, 4>;
  EXPECT_EQ(Words::kTileK, 32);
  EXPECT_EQ(Words::kSteps, 4);
}

}  // namespace
}  // namespace assay
