// The schedule of wgmma_sm90's forward pass, which tiles need a mask, and the model of what it should cost.
#include "kernels/attention/sm90/wgmma_forward_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <tuple>

namespace assay {
namespace {

Target hopper(int multiprocessors = 132) {
  Target target;
  target.device = Device::gpu;
  target.compute_capability = 90;
  target.multiprocessors = multiprocessors;
  target.shared_bytes_per_block = 232448;
  return target;
}

AttentionProblem problem(std::int64_t batch, std::int64_t heads, std::int64_t kv_heads, std::int64_t length,
                         bool causal, std::int64_t head_dim = 128, std::int64_t value_dim = 0) {
  AttentionProblem p;
  p.batch = batch, p.heads = heads, p.kv_heads = kv_heads, p.seq_q = p.seq_kv = length, p.causal = causal;
  p.head_dim = head_dim, p.head_dim_v = value_dim, p.dtype = DType::bf16;
  return p;
}

AttentionProblem packed(std::vector<std::int64_t> q_offsets, std::vector<std::int64_t> kv_offsets, bool causal) {
  AttentionProblem p = problem(std::int64_t(q_offsets.size()) - 1, 6, 2, 1, causal);
  p.q_offsets = std::move(q_offsets), p.kv_offsets = std::move(kv_offsets);
  for (std::int64_t b = 0; b < p.batch; ++b)
    p.seq_q = std::max(p.seq_q, p.queries(b)), p.seq_kv = std::max(p.seq_kv, p.keys(b));
  return p;
}

// ---- the schedule -------------------------------------------------------------------------------------------------
void expect_every_query_once(const AttentionProblem& p, AttentionSchedule schedule, int ctas) {
  const std::vector<AttentionQueryTile> tiles = packed_query_tiles(p, 128);
  if (p.packed()) schedule.tiles = tiles.data();
  std::map<std::tuple<std::int64_t, int>, int> times;  // (row of q, head)
  for (int cta = 0; cta < ctas; ++cta) {
    AttentionSchedule::Cursor cursor(schedule, cta, ctas);
    for (AttentionWork work{}; cursor.next(work);) {
      ASSERT_GE(work.tile.queries, 1);
      ASSERT_LE(work.tile.queries, AttentionSchedule::kQueries);
      for (int i = 0; i < work.tile.queries; ++i) ++times[{work.tile.q_row + i, work.head}];
    }
  }
  EXPECT_EQ(std::int64_t(times.size()), p.all_queries() * p.heads);
  for (const auto& [where, count] : times) EXPECT_EQ(count, 1);
}

TEST(WgmmaSm90ForwardSchedule, EveryQueryIsComputedOnce) {
  for (const int section_heads : {2, 4, 6})
    for (const int ctas : {1, 2, 5, 132}) {
      for (const AttentionProblem& p :
           {problem(3, 6, 3, 300, true), packed({0, 130, 130, 131, 400}, {0, 5, 90, 90, 700}, true)}) {
        AttentionSchedule schedule = choose_wgmma_sm90_forward(p, hopper()).schedule;
        schedule.take_sections(section_heads);
        expect_every_query_once(p, schedule, ctas);
      }
    }
}

TEST(WgmmaSm90ForwardSchedule, ATileSaysWhereItsQueriesAndKeysAre) {
  const AttentionProblem equal = problem(3, 6, 3, 300, true);
  const AttentionProblem various = packed({0, 130, 130, 131, 400}, {0, 5, 90, 90, 700}, true);
  for (const AttentionProblem& p : {equal, various}) {
    AttentionSchedule schedule = choose_wgmma_sm90_forward(p, hopper()).schedule;
    const std::vector<AttentionQueryTile> tiles = packed_query_tiles(p, 128);
    if (p.packed()) schedule.tiles = tiles.data();
    for (int unit = 0; unit < schedule.units(); ++unit) {
      const AttentionWork work = schedule.work(unit);
      std::int64_t b = 0;  // the sequence that holds the tile's first row
      while (p.q_index(b, p.queries(b), 0) <= work.tile.q_row * p.heads * p.head_dim) ++b;
      const std::int64_t i = work.tile.q_row - p.q_index(b, 0, 0) / p.heads / p.head_dim;
      EXPECT_EQ(work.tile.kv_row, p.k_index(b, 0, 0) / p.kv_heads / p.head_dim);
      EXPECT_EQ(work.tile.keys, p.keys(b));
      EXPECT_EQ(work.tile.position, i + p.keys(b) - p.queries(b));
      EXPECT_EQ(work.tile.lse + work.head * (p.packed() ? p.all_queries() : p.seq_q), p.lse_index(b, work.head, i));
    }
  }
}

TEST(WgmmaSm90ForwardSchedule, SequencesOfVariousLengthsComeLongestFirst) {
  const AttentionProblem p = packed({0, 100, 2000, 2100, 9000}, {0, 100, 2000, 2100, 9000}, true);
  const std::vector<AttentionQueryTile> tiles = packed_query_tiles(p, 128);
  for (std::size_t i = 1; i < tiles.size(); ++i) {
    const AttentionKeyTiles before = key_tiles(tiles[i - 1], 128, true, 0), after = key_tiles(tiles[i], 128, true, 0);
    EXPECT_GE(before.end - before.begin, after.end - after.begin);
  }
}

TEST(WgmmaSm90ForwardSchedule, CausalWorkIsEvenlyDealt) {
  for (const std::int64_t length : {4096, 8192, 16384, 32768})
    for (const std::int64_t kv_heads : {8, 64}) {
      const AttentionProblem p = problem(1, 64, kv_heads, length, true);
      const AttentionSchedule schedule = choose_wgmma_sm90_forward(p, hopper()).schedule;
      std::int64_t most = 0, all = 0;
      for (int cta = 0; cta < 132; ++cta) {
        std::int64_t tiles = 0;
        AttentionSchedule::Cursor cursor(schedule, cta, 132);
        for (AttentionWork work{}; cursor.next(work);) {
          const AttentionKeyTiles keys = key_tiles(work.tile, 128, true, 0);
          tiles += keys.end - keys.begin;
        }
        most = std::max(most, tiles), all += tiles;
      }
      EXPECT_LT(double(most), double(all) / 132 + double(length) / 128 / 2) << length;  // half the longest tile
    }
}

TEST(WgmmaSm90ForwardSchedule, MaskedTilesAreThoseThatHideAKey) {
  constexpr int kKeys = 16;  // of a tile: small, to try every offset
  for (const int keys : {0, 1, 16, 37, 64})
    for (const int queries : {1, 5, 20})
      for (int position = -30; position + queries <= keys; ++position)
        for (const int window : {0, 1, 7, 40}) {
          const bool causal = window > 0 || position % 2 == 0;
          const AttentionQueryTile tile{0, 0, queries, 0, keys, position};
          const AttentionKeyTiles got = key_tiles(tile, kKeys, causal, window);
          const auto sees = [&](int i, int key) {
            const int at = position + i;
            return key < keys && (!causal || key <= at) && (window == 0 || key > at - window);
          };
          for (int t = 0; t * kKeys < keys + kKeys; ++t) {
            int seen = 0;
            for (int i = 0; i < queries; ++i)
              for (int key = t * kKeys; key < (t + 1) * kKeys; ++key) seen += sees(i, key);
            EXPECT_TRUE(seen == 0 || (got.begin <= t && t < got.end)) << keys << " " << queries << " " << position;
            const bool unmasked = got.unmasked_begin <= t && t < got.unmasked_end;
            EXPECT_EQ(unmasked, seen == queries * kKeys) << keys << " " << queries << " " << position << " " << window;
          }
          EXPECT_LE(got.begin, got.unmasked_begin);
          EXPECT_LE(got.unmasked_begin, got.unmasked_end);
          EXPECT_LE(got.unmasked_end, got.end);
        }
}

// ---- the model ----------------------------------------------------------------------------------------------------
TEST(WgmmaSm90ForwardModel, TakesTheStatedClocksPerKeyTile) {
  const auto& instances = wgmma_sm90_forward_instances(DType::bf16);
  const WgmmaSm90ForwardKeyTile d64 = key_tile_clocks(instances[0], 132), d128 = key_tile_clocks(instances[1], 132);
  EXPECT_EQ(d128.tensor_cores, 2048);
  EXPECT_EQ(d128.mufu, 1024);
  EXPECT_EQ(d128.shared_memory, 1792);
  EXPECT_STREQ(d128.limit, "tensor cores");
  EXPECT_EQ(d64.tensor_cores, 1024);
  EXPECT_EQ(d64.mufu, 1024);
  EXPECT_EQ(d128.chain, 1352);
  EXPECT_EQ(d64.chain, 1096);
  EXPECT_STREQ(d64.limit, "the softmax of one warpgroup");
  for (const WgmmaSm90ForwardInstance& i : instances) EXPECT_LE(i.shared_bytes, 232448u);
}

TEST(WgmmaSm90ForwardModel, EightBitsHaveTwiceTheTensorCoresAndATranspose) {
  const auto& instances = wgmma_sm90_forward_instances(DType::e4m3);
  const WgmmaSm90ForwardKeyTile d128 = key_tile_clocks(instances[1], 132), d256 = key_tile_clocks(instances[2], 132);
  EXPECT_EQ(d128.tensor_cores, 1024);
  EXPECT_EQ(d128.mufu, 1024);
  EXPECT_EQ(d128.shared_memory, 1152);
  EXPECT_EQ(d128.chain, 1096);
  EXPECT_STREQ(d128.limit, "shared memory");
  EXPECT_EQ(d256.tensor_cores, 1024);  // of 64 keys
  EXPECT_EQ(d256.mufu, 512);
  for (const WgmmaSm90ForwardInstance& i : instances) EXPECT_LE(i.shared_bytes, 232448u);
  AttentionProblem p = problem(1, 64, 8, 16384, true);
  const double bf16 = predict_wgmma_sm90_forward(p, hopper()).flops_per_second;
  p.dtype = DType::e4m3;
  // cuDNN 9.19 on an H200, from the same table as below: 1010 TFLOP/s.
  EXPECT_GT(predict_wgmma_sm90_forward(p, hopper()).flops_per_second, 1010e12);
  EXPECT_LT(predict_wgmma_sm90_forward(p, hopper()).flops_per_second, 2 * bf16);
  std::printf("%s\n", explain_wgmma_sm90_forward(p, hopper()).c_str());
}

TEST(WgmmaSm90ForwardModel, ExplainsItself) {
  const std::string line = explain_wgmma_sm90_forward(problem(1, 64, 8, 16384, true), hopper());
  for (const char* part :
       {"128 queries x 128 keys", "2 + 3 stages", "bytes shared", "8192 query tiles on 132 CTAs", "62.06 waves",
        "tensor cores 2048 clk", "MUFU 1024", "limited by tensor cores", "TFLOP/s at 1.83 GHz"})
    EXPECT_NE(line.find(part), std::string::npos) << part << " is not in: " << line;
}

TEST(WgmmaSm90ForwardModel, PromisesMoreThanWasPublishedAndLessThanThePeak) {
  // cuDNN 9.19 on an H200, 64 query and 8 kv heads of 128 (cudnn-frontend's benchmark, February 2026): TFLOP/s, causal
  // and full.  Its clock was below the model's 1.83 GHz, so a model that promised less would be wrong.
  struct Published {
    std::int64_t length;
    double causal, full;
  };
  for (const Published& row : {Published{2048, 484, 633}, Published{4096, 591, 671}, Published{8192, 644, 691},
                               Published{16384, 673, 702}, Published{32768, 688, 693}})
    for (const bool causal : {true, false}) {
      const AttentionProblem p = problem(1, 64, 8, row.length, causal);
      std::printf("%6d %s %s\n", int(row.length), causal ? "causal" : "full  ",
                  explain_wgmma_sm90_forward(p, hopper()).c_str());
      const double rate = predict_wgmma_sm90_forward(p, hopper()).flops_per_second / 1e12;
      EXPECT_GT(rate, causal ? row.causal : row.full) << row.length;
      EXPECT_LT(rate, 989) << row.length;
    }
}

TEST(WgmmaSm90ForwardModel, KnowsTheShapesOfTraining) {
  struct Shape {
    const char* name;
    AttentionProblem problem;
    double least, most;  // TFLOP/s
  };
  AttentionProblem window = problem(2, 64, 8, 8192, true, 64);
  window.window = 1024;
  for (const Shape& s :
       {Shape{"llama3-8b", problem(1, 32, 8, 8192, true), 800, 989},
        Shape{"deepseek-v3", problem(1, 128, 128, 4096, true, 192, 128), 700, 989},
        Shape{"gpt-oss window", window, 350, 800}, Shape{"d256", problem(1, 16, 16, 8192, true, 256), 600, 989},
        Shape{"one query", problem(1, 64, 8, 1, false), 0, 1}}) {
    const double rate = predict_wgmma_sm90_forward(s.problem, hopper()).flops_per_second / 1e12;
    std::printf("%-15s %s\n", s.name, explain_wgmma_sm90_forward(s.problem, hopper()).c_str());
    EXPECT_GT(rate, s.least) << s.name;
    EXPECT_LT(rate, s.most) << s.name;
  }
}

// ---- what it takes ------------------------------------------------------------------------------------------------
TEST(WgmmaSm90ForwardSupport, RefusalsSayWhy) {
  const auto reason = [](const AttentionProblem& p, const Target& target = hopper()) {
    return supports_wgmma_sm90_forward(p, target).reason;
  };
  AttentionProblem p = problem(1, 4, 2, 100, true);
  EXPECT_EQ(reason(p), "");
  p.window = 10, p.head_dim = 96, p.head_dim_v = 72;
  EXPECT_EQ(reason(p), "");
  p.head_dim = 100;
  EXPECT_NE(reason(p).find("divisible by 8"), std::string::npos);
  p.head_dim = 264;
  EXPECT_NE(reason(p).find("above 256"), std::string::npos);
  p.head_dim = 128, p.seq_kv = std::int64_t(1) << 30;
  EXPECT_NE(reason(p).find("2^30"), std::string::npos);
  p.seq_kv = 131072, p.batch = 1 << 14;
  EXPECT_NE(reason(p).find("2^31"), std::string::npos);
  p.batch = 1, p.seq_q = 131072;
  EXPECT_EQ(reason(p), "");
  p.pass = AttentionPass::backward;
  EXPECT_NE(reason(p).find("backward"), std::string::npos);
  p.pass = AttentionPass::forward;
  Target ampere = hopper();
  ampere.compute_capability = 80;
  EXPECT_NE(reason(p, ampere).find("9.0"), std::string::npos);
  Target small = hopper();
  small.shared_bytes_per_block = 100 * 1024;
  EXPECT_NE(reason(p, small).find("shared memory"), std::string::npos);
}

}  // namespace
}  // namespace assay
