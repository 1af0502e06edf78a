// wgmma_sm90's backward pass without a GPU: the order of its work, what it takes and what is expected of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "kernels/attention/sm90/wgmma_backward.h"

namespace assay {
namespace {

constexpr int kQueries = 64, kKeys = BackwardSchedule::kKeys;

AttentionProblem make_problem(std::int64_t batch, std::int64_t heads, std::int64_t kv_heads, std::int64_t seq_q,
                              std::int64_t seq_kv, bool causal, std::int64_t window = 0) {
  AttentionProblem p;
  p.pass = AttentionPass::backward, p.dtype = DType::bf16, p.head_dim = 128;
  p.batch = batch, p.heads = heads, p.kv_heads = kv_heads, p.seq_q = seq_q, p.seq_kv = seq_kv;
  p.causal = causal, p.window = window;
  return p;
}

AttentionProblem packed(AttentionProblem p, std::vector<std::int64_t> q_offsets, std::vector<std::int64_t> kv_offsets) {
  p.batch = std::int64_t(q_offsets.size()) - 1, p.seq_q = p.seq_kv = 0;
  p.q_offsets = std::move(q_offsets), p.kv_offsets = std::move(kv_offsets);
  for (std::int64_t b = 0; b < p.batch; ++b)
    p.seq_q = std::max(p.seq_q, p.queries(b)), p.seq_kv = std::max(p.seq_kv, p.keys(b));
  return p;
}

Target hopper() {
  Target target;
  target.device = Device::gpu, target.compute_capability = 90, target.multiprocessors = 132;
  target.shared_bytes_per_block = 232448;
  return target;
}

CUresult encode_nothing(CUtensorMap*, CUtensorMapDataType, cuuint32_t, void*, const cuuint64_t*, const cuuint64_t*,
                        const cuuint32_t*, const cuuint32_t*, CUtensorMapInterleave, CUtensorMapSwizzle,
                        CUtensorMapL2promotion, CUtensorMapFloatOOBfill) {
  return CUDA_SUCCESS;
}

/// The schedule that a launch would get, with offsets that this program can read.
struct Scheduled {
  std::vector<std::int32_t> q_offsets, kv_offsets;
  BackwardSchedule schedule;

  explicit Scheduled(const AttentionProblem& p)
      : q_offsets(p.q_offsets.begin(), p.q_offsets.end()), kv_offsets(p.kv_offsets.begin(), p.kv_offsets.end()) {
    AttentionBuffers buffers;
    if (p.packed()) buffers.q_offsets = q_offsets.data(), buffers.kv_offsets = kv_offsets.data();
    schedule = plan_wgmma_sm90_backward(p, buffers, nullptr, encode_nothing)[1].params.schedule;
  }
};

std::vector<AttentionProblem> problems() {
  std::vector<AttentionProblem> all = {
      make_problem(1, 2, 2, 1, 1, true),
      make_problem(2, 4, 2, 300, 500, false),
      make_problem(1, 40, 20, 300, 500, true),
      make_problem(3, 12, 12, 500, 300, true),
      make_problem(1, 2, 1, 700, 700, true, 1),
      make_problem(1, 2, 1, 700, 900, true, 130),
      make_problem(1, 2, 1, 900, 700, true, 5000),
      packed(make_problem(1, 2, 1, 0, 0, true), {0, 30, 30, 100, 300, 301, 301}, {0, 150, 190, 190, 250, 500, 500})};
  const std::size_t count = all.size();
  for (std::size_t i = 0; i < count; ++i) {
    all.push_back(all[i]);
    all.back().deterministic = true;
  }
  return all;
}

TEST(BackwardSchedule, EveryKeyTileOfEveryHeadIsOneUnit) {
  for (const AttentionProblem& p : problems()) {
    const Scheduled s(p);
    std::set<std::tuple<int, int, int>> seen;
    for (int i = 0; i < s.schedule.units(); ++i) {
      const BackwardUnit unit = s.schedule.unit(i);
      EXPECT_TRUE(unit.batch >= 0 && unit.batch < p.batch && unit.kv_head >= 0 && unit.kv_head < p.kv_heads);
      EXPECT_TRUE(unit.key_tile >= 0 && unit.key_tile < s.schedule.key_tiles);
      seen.insert({unit.batch, unit.kv_head, unit.key_tile});
    }
    EXPECT_EQ(seen.size(), std::size_t(p.batch * p.kv_heads * ((p.seq_kv + kKeys - 1) / kKeys)));
  }
}

/// How many pairs of the tiles see each other, and how many there would be without a mask.
std::pair<std::int64_t, std::int64_t> pairs_of(const AttentionProblem& p, std::int64_t b, std::int64_t key_tile,
                                               std::int64_t query_tile) {
  std::int64_t seen = 0;
  for (std::int64_t i = query_tile * kQueries; i < std::min(p.queries(b), (query_tile + 1) * kQueries); ++i) {
    const KeyRange keys = p.visible_keys(b, i);
    seen += KeyRange{std::max(keys.begin, key_tile * kKeys), std::min(keys.end, (key_tile + 1) * kKeys)}.size();
  }
  const std::int64_t queries = std::min(p.queries(b) - query_tile * kQueries, std::int64_t(kQueries));
  return {seen, queries * kKeys};
}

TEST(BackwardSchedule, TilesMeetWhereSomeQuerySeesSomeKey) {
  for (const AttentionProblem& p : problems()) {
    const Scheduled s(p);
    for (int b = 0; b < p.batch; ++b) {
      const BackwardSequence sequence = s.schedule.sequence<kQueries>(b);
      for (int n = 0; n < s.schedule.key_tiles; ++n) {
        const QueryTileRange range = s.schedule.query_tiles_of<kQueries>(sequence, n);
        const KeyTileMask mask = s.schedule.mask(sequence, n);
        for (int m = 0; m * kQueries < p.queries(b); ++m) {
          const auto [seen, all] = pairs_of(p, b, n, m);
          EXPECT_EQ(m >= range.begin && m<range.end, seen> 0) << "sequence " << b << " key tile " << n << " at " << m;
          EXPECT_TRUE(mask.refuses(m * kQueries, kQueries, kKeys) || seen == all) << "query tile " << m;
        }
      }
    }
  }
}

TEST(BackwardSchedule, TheMaskIsTheProblems) {
  for (const AttentionProblem& p : problems()) {
    const Scheduled s(p);
    for (int b = 0; b < p.batch; ++b)
      for (int n = 0; n * kKeys < p.keys(b); ++n) {
        const KeyTileMask mask = s.schedule.mask(s.schedule.sequence<kQueries>(b), n);
        for (int k = 0; k < kKeys; ++k)
          for (int i = 0; i < p.queries(b); ++i) {
            const KeyRange keys = p.visible_keys(b, i);
            const std::int64_t j = std::int64_t(n) * kKeys + k;
            ASSERT_EQ(i >= mask.first_query(k) && i < mask.end_query(k),
                      j >= keys.begin && j < keys.end && j < p.keys(b))
                << "query " << i << " key " << j;
          }
      }
  }
}

TEST(BackwardSchedule, TurnsFollowTheNumbersOfUnits) {
  for (const AttentionProblem& p : problems()) {
    if (!p.deterministic) continue;
    const Scheduled s(p);
    std::map<std::tuple<int, int, int>, int> next;  // by (sequence, kv head, query tile)
    for (int i = 0; i < s.schedule.units(); ++i) {
      const BackwardUnit unit = s.schedule.unit(i);
      const BackwardSequence sequence = s.schedule.sequence<kQueries>(unit.batch);
      const QueryTileRange range = s.schedule.query_tiles_of<kQueries>(sequence, unit.key_tile);
      for (int m = range.begin; m < range.end; ++m)
        ASSERT_EQ(s.schedule.turn<kQueries>(sequence, unit.key_tile, m), (next[{unit.batch, unit.kv_head, m}]++));
    }
  }
}

TEST(BackwardSchedule, SequencesDoNotShareTilesOfTheWorkspace) {
  for (const AttentionProblem& p : problems()) {
    const Scheduled s(p);
    std::int64_t free = 0;
    for (int b = 0; b < p.batch; ++b) {
      const BackwardSequence sequence = s.schedule.sequence<kQueries>(b);
      EXPECT_GE(sequence.first_tile, free);
      free = sequence.first_tile + BackwardSchedule::divide_up(sequence.queries, kQueries);
    }
    EXPECT_LE(free, s.schedule.all_query_tiles);
  }
}

// --- what it takes
TEST(WgmmaSm90Backward, RefusalsSayWhy) {
  const auto reason = [](const AttentionProblem& p, const Target& target = hopper()) {
    return supports_wgmma_sm90_backward(p, target).reason;
  };
  AttentionProblem p = make_problem(1, 8, 2, 100, 100, true);
  EXPECT_EQ(reason(p), "");
  p.deterministic = true, p.window = 7;
  EXPECT_EQ(reason(p), "");
  EXPECT_EQ(reason(packed(p, {0, 3}, {0, 5})), "");
  EXPECT_EQ(reason(make_problem(1, 64, 8, 131072, 131072, true)), "");
  for (const std::int64_t head_dim : {64, 96, 128, 192, 256}) {
    p.head_dim = head_dim, p.head_dim_v = head_dim == 192 ? 128 : 0;
    EXPECT_EQ(reason(p), "") << "head_dim " << head_dim;
  }
  p.head_dim = 100;
  EXPECT_THAT(reason(p), testing::HasSubstr("head_dim 100"));
  p.head_dim = 264;
  EXPECT_THAT(reason(p), testing::HasSubstr("head_dim 264"));
  p.head_dim = 128, p.head_dim_v = 60;
  EXPECT_THAT(reason(p), testing::HasSubstr("values of 60"));
  p.head_dim_v = 0, p.seq_kv = std::int64_t(1) << 29;
  EXPECT_THAT(reason(p), testing::HasSubstr("2^29"));
  EXPECT_THAT(reason(make_problem(1, 1 << 24, 1, 1, 1, false)), testing::HasSubstr("heads"));
  EXPECT_THAT(reason(make_problem(1 << 20, 64, 64, 4096, 1, false)), testing::HasSubstr("2^31"));
  Target blackwell = hopper();
  blackwell.compute_capability = 100;
  EXPECT_THAT(reason(make_problem(1, 1, 1, 1, 1, false), blackwell), testing::HasSubstr("9.0"));
  Target small = hopper();
  small.shared_bytes_per_block = 100 * 1024;
  EXPECT_THAT(reason(make_problem(1, 1, 1, 1, 1, false), small), testing::HasSubstr("198656 bytes"));
}

TEST(WgmmaSm90Backward, EmptyGridsWhereNothingIsToDo) {
  AttentionProblem p = packed(make_problem(1, 2, 1, 0, 0, true), {0, 0}, {0, 5});
  EXPECT_EQ(plan_wgmma_sm90_backward(p, {}, nullptr, encode_nothing)[2].grid.x, 0u);
  EXPECT_EQ(plan_wgmma_sm90_backward(p, {}, nullptr, encode_nothing)[1].grid.x, 1u);
  p = packed(make_problem(1, 2, 1, 0, 0, true), {0, 5}, {0, 0});
  EXPECT_EQ(plan_wgmma_sm90_backward(p, {}, nullptr, encode_nothing)[1].grid.x, 0u);
  EXPECT_EQ(plan_wgmma_sm90_backward(p, {}, nullptr, encode_nothing)[2].grid.x, 2u);
}

// --- what is expected of it: counted by hand for one query tile, bounded for the whole
TEST(WgmmaSm90Backward, ATileIsCounted) {
  AttentionProblem p = make_problem(1, 64, 8, 16384, 16384, true);
  WgmmaSm90BackwardPrediction r = predict_wgmma_sm90_backward(p, hopper());
  EXPECT_EQ(r.tensor_clocks, 2560);  // 5 x 64 x 128 x 128 products, 2048 a clock
  EXPECT_EQ(r.mufu_clocks, 512);     // 64 x 128 exponentials, 16 a clock
  // 2 x 4 x 32 KiB / 2 for products, q and do with their rows, ds, dq twice, lse and delta by eight warps.
  EXPECT_EQ(r.shared_bytes, 262144 + 33280 + 16384 + 65536 + 16384);
  p.head_dim = 64;
  r = predict_wgmma_sm90_backward(p, hopper());
  EXPECT_EQ(r.tensor_clocks, 2560);
  EXPECT_EQ(r.mufu_clocks, 1024);
}

TEST(WgmmaSm90Backward, TilesOfWideHeadsAreCounted) {
  AttentionProblem p = make_problem(1, 128, 128, 16384, 16384, true);
  p.head_dim = 192, p.head_dim_v = 128;
  WgmmaSm90BackwardPrediction r = predict_wgmma_sm90_backward(p, hopper());
  EXPECT_EQ(r.tensor_clocks, 3328);  // (3 x 192 + 2 x 128) x 64 x 128 products
  // Two consumers' s and dp of twice 32 queries, dv and dk, ds once more, dq over its own keys and half of a third
  // block's; q, do and rows, ds, four blocks of dq twice, lse and delta.
  EXPECT_EQ(r.shared_bytes, 2 * (73728 + 49152 + 40960 + 8192 + 49152) + 41472 + 16384 + 131072 + 16384);
  p.head_dim = 256, p.head_dim_v = 0;
  r = predict_wgmma_sm90_backward(p, hopper());
  EXPECT_EQ(r.tensor_clocks, 2560);  // 5 x 64 x 64 x 256 products
  // Two consumers' s and dp of 32 queries, dv and dk of 128 columns with p and ds, two blocks of dq; the rest as above.
  EXPECT_EQ(r.shared_bytes, 2 * (98304 + 32768 + 16384 + 32768) + 66048 + 16384 + 131072 + 8192);
  p.head_dim = 96;  // a tile of 128, a quarter of it for nothing
  EXPECT_EQ(predict_wgmma_sm90_backward(p, hopper()).tensor_clocks, 2560);
}

TEST(WgmmaSm90Backward, PredictionsStayWithinWhatTheMachineHas) {
  const auto tflops = [](const AttentionProblem& p) {
    return predict_wgmma_sm90_backward(p, hopper()).flops_per_second / 1e12;
  };
  AttentionProblem p = make_problem(1, 64, 8, 16384, 16384, true);
  const double causal = tflops(p);
  EXPECT_GT(causal, 0.95 * 579);  // what is asked of it: 0.95 of cuDNN's rate
  EXPECT_LT(causal, 989 * 2560 / predict_wgmma_sm90_backward(p, hopper()).tile_clocks);
  p.causal = false;
  EXPECT_GT(tflops(p), causal);
  EXPECT_LT(tflops(p), 989);
  p.causal = p.deterministic = true;
  EXPECT_LT(tflops(p), causal);                                         // the longest units come last
  EXPECT_LT(tflops(make_problem(1, 64, 8, 2048, 2048, true)), causal);  // a unit for each SM, none of them alike
  const double few = tflops(make_problem(1, 1, 1, 16384, 16384, true));
  EXPECT_LT(few, causal);
  EXPECT_GT(few, 0);
  EXPECT_GT(tflops(make_problem(1 << 16, 64, 64, 4096, 4096, true)),
            causal / 2);  // too many units to deal out one by one
}

TEST(WgmmaSm90Backward, ExplainsItself) {
  const std::string text = explain_wgmma_sm90_backward(make_problem(1, 64, 8, 16384, 16384, true), hopper());
  for (const char* part : {"64 queries x 128 keys", "198656 bytes", "tensor cores 2560", "shared memory 3076",
                           "MUFU 512", "TFLOP/s at 1.83 GHz"})
    EXPECT_THAT(text, testing::HasSubstr(part));
  AttentionProblem p = make_problem(1, 64, 8, 16384, 16384, true);
  p.deterministic = true;
  EXPECT_THAT(explain_wgmma_sm90_backward(p, hopper()), testing::HasSubstr("in turn"));
  EXPECT_THAT(explain_wgmma_sm90_backward(p, hopper()), testing::Not(testing::HasSubstr("missing")));
  p.head_dim = 96;
  EXPECT_THAT(explain_wgmma_sm90_backward(p, hopper()), testing::HasSubstr("of 128 columns, the missing ones zeros"));
  p.head_dim = 256;
  EXPECT_THAT(explain_wgmma_sm90_backward(p, hopper()), testing::HasSubstr("64 queries x 64 keys, "));
}

}  // namespace
}  // namespace assay
