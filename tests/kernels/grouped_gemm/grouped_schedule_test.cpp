// The schedules of grouped kernels as plain C++: every tile of every group once, by whatever clusters there are; and
// the model that chooses between configurations.
#include "kernels/grouped_gemm/grouped_schedule.h"

#include <gtest/gtest.h>

#include <map>
#include <tuple>

#include "kernels/grouped_gemm/wgmma_sm90_config.h"

namespace assay {
namespace {

const std::vector<std::int32_t> kRows = {0, 130, 0, 0, 128, 1, 300, 0};
const std::vector<int> kFirst = {0, 0, 256, 256, 256, 384, 512, 896};

/// How often each (m, n) is computed, and with what, over all CTAs.
template <class Schedule>
std::map<std::tuple<int, int>, std::vector<WgmmaWork>> all_work(const Schedule& schedule, int clusters, int cluster_n) {
  std::map<std::tuple<int, int>, std::vector<WgmmaWork>> tiles;
  for (int cluster = 0; cluster < clusters; ++cluster)
    for (int rank = 0; rank < cluster_n; ++rank) {
      typename Schedule::Cursor cursor(schedule, {cluster, clusters, rank, 1, cluster_n, 128, 256, 64});
      for (WgmmaWork work; cursor.next(work);) tiles[{work.m, work.n}].push_back(work);
    }
  return tiles;
}

TEST(GroupedSchedule, MGroupedTilesOnceAndWithTheirOwnExpert) {
  for (const int clusters : {1, 2, 3, 66})
    for (const int cluster_n : {1, 2}) {
      const int columns = 4 / cluster_n;  // of 256 each
      const MGroupedSchedule schedule{{kRows.data(), int(kRows.size()), columns, 2}, 9, 1000, 7};
      const auto tiles = all_work(schedule, clusters, cluster_n);
      std::size_t expected = 0;
      for (std::size_t g = 0; g < kRows.size(); ++g)
        for (int row = 0; row < kRows[g]; row += 128)
          for (int n = 0; n < 1024; n += 256, ++expected) {
            const auto found = tiles.find({kFirst[g] + row, n});
            ASSERT_NE(found, tiles.end()) << g << " " << row << " " << n;
            ASSERT_EQ(found->second.size(), 1u);
            const WgmmaWork& work = found->second.front();
            EXPECT_EQ(work.a_mn, work.m);
            EXPECT_EQ(work.b_mn, int(g) * 1000 + n);
            EXPECT_EQ(work.b_k, int(g) * 7);
            EXPECT_EQ(std::tuple(work.k, work.k_tiles, work.slices), std::tuple(0, 9, 1));
          }
      EXPECT_EQ(tiles.size(), expected);
    }
}

TEST(GroupedSchedule, KGroupedTilesOnceAndOverTheirOwnTokens) {
  for (const int clusters : {1, 3, 66}) {
    const KGroupedSchedule schedule{{kRows.data(), int(kRows.size()), 2, 4}, 3, 384};
    const auto tiles = all_work(schedule, clusters, 2);
    std::size_t expected = 0;
    for (std::size_t g = 0; g < kRows.size(); ++g)
      for (int m = 0; m < 384 && kRows[g] > 0; m += 128)
        for (int n = 0; n < 1024; n += 256, ++expected) {
          const auto found = tiles.find({int(g) * 384 + m, n});
          ASSERT_NE(found, tiles.end());
          ASSERT_EQ(found->second.size(), 1u);
          const WgmmaWork& work = found->second.front();
          EXPECT_EQ(std::tuple(work.a_mn, work.b_mn, work.b_k), std::tuple(m, n, 0));
          EXPECT_EQ(work.k, kFirst[g]);
          EXPECT_EQ(work.k_tiles, (kRows[g] + 63) / 64);
        }
    EXPECT_EQ(tiles.size(), expected);
  }
}

Target h200() {
  Target target;
  target.device = Device::gpu;
  target.compute_capability = 90;
  target.multiprocessors = 132;
  target.shared_bytes_per_block = 232448;
  return target;
}

TEST(GroupedWgmmaConfig, EveryTrainingShapeHasAChoiceThatIsPredictedToKeepTheTensorCoresBusy) {
  struct Layer {
    std::int64_t groups, rows, n, k;
  };
  for (const Layer& l : {Layer{4, 8192, 4096, 7168}, Layer{8, 4096, 7168, 2048}, Layer{16, 2048, 4096, 7168},
                         Layer{1, 8192, 28672, 4096}, Layer{8, 1024, 4096, 14336}})
    for (const GroupedPass pass : {GroupedPass::forward, GroupedPass::dgrad, GroupedPass::wgrad}) {
      const GroupedGemmProblem p{pass,        l.n, l.k, std::vector<std::int64_t>(std::size_t(l.groups), l.rows),
                                 DType::bf16, {}};
      ASSERT_EQ(supports_wgmma_grouped(p, h200()).reason, "");
      const GroupedWgmmaChoice choice = choose_wgmma_grouped(p, h200());
      EXPECT_GT(choice.efficiency, 0.5) << explain_wgmma_grouped(p, h200());
      EXPECT_LE(choice.efficiency, 1.0) << explain_wgmma_grouped(p, h200());
      EXPECT_LE(choice.clusters * choice.config.cluster_n, 132);
    }
}

TEST(GroupedWgmmaConfig, NamesOverrideTheChoiceAndUnknownOnesAreRefused) {
  GroupedGemmProblem p{GroupedPass::forward, 4096, 4096, {1024, 0}, DType::bf16, {}};
  for (const GroupedWgmmaConfig& config : kGroupedWgmmaConfigs) {
    p.config = name(config);
    EXPECT_EQ(name(choose_wgmma_grouped(p, h200()).config), p.config);
  }
  p.config = "64x64";
  EXPECT_NE(supports_wgmma_grouped(p, h200()).reason.find("128x256x64/c2n"), std::string::npos);
}

TEST(GroupedWgmmaConfig, SaysWhyAProblemDoesNotFit) {
  const auto reason = [](GroupedPass pass, std::int64_t n, std::int64_t k) {
    return supports_wgmma_grouped({pass, n, k, {100}, DType::bf16, {}}, h200()).reason;
  };
  EXPECT_EQ(reason(GroupedPass::forward, 72, 8), "");
  EXPECT_NE(reason(GroupedPass::forward, 4, 8).find("multiples of 8"), std::string::npos);
  EXPECT_NE(reason(GroupedPass::dgrad, 72, 8).find("64"), std::string::npos);
  EXPECT_NE(reason(GroupedPass::wgrad, 64, 8).find("128"), std::string::npos);
  EXPECT_EQ(reason(GroupedPass::wgrad, 128, 8), "");
  Target ampere = h200();
  ampere.compute_capability = 80;
  EXPECT_FALSE(supports_wgmma_grouped({GroupedPass::forward, 8, 8, {1}, DType::bf16, {}}, ampere).ok());
}

}  // namespace
}  // namespace assay
