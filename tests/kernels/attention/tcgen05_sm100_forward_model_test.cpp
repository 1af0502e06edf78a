// How tcgen05_sm100's forward pass divides its work into halves, and the model of what it should cost.
#include "kernels/attention/sm100/tcgen05_forward_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "kernels/attention/sm90/wgmma_forward_model.h"

namespace assay {
namespace {

using testing::HasSubstr;

Target blackwell(int compute_capability = 100) {
  Target target;
  target.device = Device::gpu;
  target.compute_capability = compute_capability;
  target.multiprocessors = 148;
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

// ---- the work -----------------------------------------------------------------------------------------------------
TEST(Tcgen05Sm100ForwardWork, EveryQueryIsComputedOnce) {
  for (const AttentionProblem& p :
       {problem(3, 6, 3, 700, true), packed({0, 130, 130, 131, 700}, {0, 5, 90, 90, 700}, true)})
    for (const int ctas : {1, 5, 148}) {
      AttentionSchedule schedule = choose_tcgen05_sm100_forward(p, blackwell()).schedule;
      const std::vector<AttentionQueryTile> tiles = packed_query_tiles(p, kSm100ForwardKeys, kSm100ForwardQueries);
      if (p.packed()) schedule.tiles = tiles.data();
      std::map<std::tuple<std::int64_t, int>, int> times;  // (row of q, head)
      for (int cta = 0; cta < ctas; ++cta) {
        AttentionSchedule::Cursor cursor(schedule, cta, ctas);
        for (AttentionWork unit{}; cursor.next(unit);)
          for (const AttentionQueryTile& half : halves_of(unit, kSm100ForwardKeys, p.causal, 0).half)
            for (int i = 0; i < half.queries; ++i) ++times[{half.q_row + i, unit.head}];
      }
      EXPECT_EQ(std::int64_t(times.size()), p.all_queries() * p.heads);
      for (const auto& [where, count] : times) EXPECT_EQ(count, 1);
    }
}

TEST(Tcgen05Sm100ForwardWork, HalvesSeeTheKeyTilesOfTheirQueries) {
  constexpr int kKeysPerTile = 128;
  for (const int keys : {0, 1, 128, 700})
    for (const int queries : {1, 128, 129, 256})
      for (const int position : {-300, -200, -128, -5, 0, 100, 444})
        for (const int window : {0, 1, 70, 300}) {
          if (position + queries > keys) continue;
          AttentionWork unit{};
          unit.tile.queries = queries, unit.tile.keys = keys, unit.tile.position = position;
          const Tcgen05Sm100ForwardWork work = halves_of(unit, kKeysPerTile, true, window);
          std::map<std::pair<int, int>, bool> seen;  // (half, tile)
          for (int i = 0; i < queries; ++i)
            for (int j = 0; j < keys; ++j)
              if (j <= position + i && (window == 0 || j > position + i - window))
                seen[{i / 128, j / kKeysPerTile}] = true;
          for (int h = 0; h < 2; ++h)
            for (int tile = 0; tile < 8; ++tile) {
              EXPECT_EQ(work.has(h, tile), seen[std::pair(h, tile)])
                  << keys << " keys, " << queries << " queries at " << position << ", window " << window << ", half "
                  << h << ", tile " << tile;
              EXPECT_TRUE(!work.has(h, tile) || (work.begin <= tile && tile < work.end));
            }
          for (int tile = work.begin; tile < work.end; ++tile)
            EXPECT_TRUE(work.has(0, tile) || work.has(1, tile)) << "a tile is loaded for nobody";
        }
}

// ---- the model ----------------------------------------------------------------------------------------------------
TEST(Tcgen05Sm100ForwardModel, AKeyTileOf128Dimensions) {
  const Tcgen05Sm100ForwardInstance& d128 = tcgen05_sm100_forward_instances(DType::bf16)[1];
  const Tcgen05Sm100ForwardKeyTile on_100 = key_tile_clocks(d128, blackwell(), 148);
  EXPECT_EQ(on_100.tensor_cores, 2048);  // 2 halves x 2 products of 128 x 128 x 128 at 8192 FLOP/clk
  EXPECT_EQ(on_100.mufu, 1536);          // 32768 exponentials, a quarter of them elsewhere, 16 a clock
  EXPECT_EQ(on_100.issue, 1472);
  EXPECT_EQ(on_100.shared_memory, 2048);  // 64 KiB written, 192 KiB read
  EXPECT_EQ(on_100.clocks, 2048);
  EXPECT_STREQ(on_100.limit, "tensor cores");
  const Tcgen05Sm100ForwardKeyTile on_103 = key_tile_clocks(d128, blackwell(103), 148);
  EXPECT_EQ(on_103.mufu, 1024);  // all of them, 32 a clock
  EXPECT_EQ(on_103.issue, 896);
}

TEST(Tcgen05Sm100ForwardModel, NarrowHeadsAreBoundByExponentialsWhereMufuIsSlow) {
  const Tcgen05Sm100ForwardInstance& d64 = tcgen05_sm100_forward_instances(DType::bf16)[0];
  EXPECT_EQ(key_tile_clocks(d64, blackwell(), 148).tensor_cores, 1024);
  EXPECT_STREQ(key_tile_clocks(d64, blackwell(), 148).limit, "MUFU");
  EXPECT_STREQ(key_tile_clocks(d64, blackwell(103), 148).limit, "tensor cores");
}

TEST(Tcgen05Sm100ForwardModel, EightBitsAreBoundByExponentials) {
  const Tcgen05Sm100ForwardInstance& d128 = tcgen05_sm100_forward_instances(DType::e4m3)[0];
  const Tcgen05Sm100ForwardKeyTile on_100 = key_tile_clocks(d128, blackwell(), 148);
  EXPECT_EQ(on_100.tensor_cores, 1024);
  EXPECT_EQ(on_100.mufu, 1536);
  EXPECT_EQ(on_100.shared_memory, 1024);
  EXPECT_STREQ(on_100.limit, "MUFU");
  EXPECT_STREQ(key_tile_clocks(d128, blackwell(103), 148).limit, "tensor cores");
  for (const Tcgen05Sm100ForwardInstance& i : tcgen05_sm100_forward_instances(DType::e4m3))
    EXPECT_LE(i.shared_bytes, 232448u);
}

TEST(Tcgen05Sm100ForwardModel, LongSequencesComeNearTheKeyTilesRate) {
  const auto rate = [](const AttentionProblem& p) {
    return predict_tcgen05_sm100_forward(p, blackwell()).flops_per_second / 1e12;
  };
  const double ceiling = 148 * 8192 * 1.85e9 / 1e12;  // of the tensor cores
  EXPECT_GT(rate(problem(1, 64, 8, 32768, false)), 0.8 * ceiling);
  EXPECT_LT(rate(problem(1, 64, 8, 32768, false)), 0.9 * ceiling);  // what the halves do not hide
  EXPECT_LT(rate(problem(1, 64, 8, 2048, true)), rate(problem(1, 64, 8, 32768, true)));
  EXPECT_LT(rate(problem(1, 64, 8, 32768, false, 64)), 0.65 * ceiling);
}

TEST(Tcgen05Sm100ForwardModel, ExplainNamesChoiceAndLimit) {
  const std::string text = explain_tcgen05_sm100_forward(problem(1, 64, 8, 8192, true), blackwell());
  EXPECT_THAT(text, HasSubstr("2 x 128 queries x 128 keys of 128 + 128 dimensions, 4 stages"));
  EXPECT_THAT(text, HasSubstr("2048 query tiles on 148 CTAs"));
  EXPECT_THAT(text, HasSubstr("25 % of the exponentials by polynomial"));
  EXPECT_THAT(text, HasSubstr("limited by tensor cores"));
  EXPECT_THAT(explain_tcgen05_sm100_forward(problem(1, 64, 8, 8192, true), blackwell(103)),
              HasSubstr("0 % of the exponentials by polynomial"));
}

// ---- what it takes ------------------------------------------------------------------------------------------------
TEST(Tcgen05Sm100ForwardSupport, TheNarrowestInstanceThatIsWideEnough) {
  const auto width = [](std::int64_t head_dim, std::int64_t value_dim) {
    const AttentionProblem p = problem(1, 2, 1, 300, false, head_dim, value_dim);
    EXPECT_EQ(supports_tcgen05_sm100_forward(p, blackwell()).reason, "");
    return choose_tcgen05_sm100_forward(p, blackwell()).instance->head_dim;
  };
  EXPECT_EQ(width(64, 0), 64);
  EXPECT_EQ(width(8, 64), 64);
  EXPECT_EQ(width(64, 128), 128);
  EXPECT_EQ(width(96, 72), 128);
  EXPECT_EQ(width(192, 128), 192);
}

TEST(Tcgen05Sm100ForwardSupport, RefusalsSayWhy) {
  const auto reason = [](const AttentionProblem& p, const Target& target = blackwell()) {
    return supports_tcgen05_sm100_forward(p, target).reason;
  };
  AttentionProblem p = problem(1, 2, 1, 131072, true);
  p.window = 4096;
  EXPECT_EQ(reason(p), "");
  EXPECT_EQ(reason(p, blackwell(103)), "");
  EXPECT_THAT(reason(p, blackwell(90)), HasSubstr("10.0"));
  EXPECT_THAT(reason(p, blackwell(120)), HasSubstr("10.0"));
  EXPECT_THAT(reason(problem(1, 2, 1, 10, false, 256)), HasSubstr("head_dim 192"));
  EXPECT_THAT(reason(problem(1, 2, 1, 10, false, 192)), HasSubstr("value_dim 128"));
  EXPECT_THAT(reason(problem(1, 2, 1, 10, false, 100)), HasSubstr("divisible by 8"));
  EXPECT_THAT(reason(problem(1, 2, 1, std::int64_t(1) << 30, false)), HasSubstr("2^30"));
  EXPECT_THAT(reason(problem(std::int64_t(1) << 20, 2, 1, 4096, false)), HasSubstr("2^31"));
  Target small = blackwell();
  small.shared_bytes_per_block = 100 * 1024;
  EXPECT_THAT(reason(p, small), HasSubstr("shared memory"));
  p.pass = AttentionPass::backward;
  EXPECT_THAT(reason(p), HasSubstr("backward"));
}

}  // namespace
}  // namespace assay
