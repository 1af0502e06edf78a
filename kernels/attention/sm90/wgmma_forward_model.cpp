#include "kernels/attention/sm90/wgmma_forward_model.h"

#include <algorithm>
#include <cstdio>

namespace assay {
namespace {

constexpr double kFlopPerClock = 4096 * 2;  // times bytes of an element
constexpr double kMufuPerClock = 16, kLanes = 128;
constexpr double kSharedBytesPerClock = 128, kL2BytesPerClock = 6154, kL2BytesPerClockOfSm = 64;
constexpr double kClock = 1.83e9, kDramBytesPerClock = 3350 / 1.83;
constexpr double kTurn = 150, kLatencies = 400, kChainLatencies = 200;
constexpr double kLaunch = 4000;  // about 2 us: launch, barriers, descriptors, the first loads
// What of k and v should be in use at once: half of the L2 cache (50 MB) and some for q and o.
constexpr double kL2Working = 32e6;
constexpr int kQueries = AttentionSchedule::kQueries;
static_assert(WgmmaSm90ForwardE4m3Tile<64, 64>::kWeightExponent == kE4m3WeightExponent, "what the reference allows");

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

std::int64_t query_tiles(const AttentionProblem& p) {
  if (!p.packed()) return p.batch * divide_up(p.seq_q, kQueries);
  std::int64_t tiles = 0;
  for (std::int64_t b = 0; b < p.batch; ++b) tiles += divide_up(p.queries(b), kQueries);
  return tiles;
}

/// Query heads that are worked on at a time, so that their keys and values stay in the L2 cache while every query tile
/// reads them.  A wave spreads over as many query tiles as these heads leave CTAs, of that many sequences at most.
std::int64_t section_heads(const AttentionProblem& p, int ctas) {
  const double bytes =
      double(std::max<std::int64_t>(1, p.seq_kv)) * double(p.head_dim + p.value_dim()) * double(size_bytes(p.dtype));
  std::int64_t kv_heads = std::clamp<std::int64_t>(static_cast<std::int64_t>(kL2Working / bytes), 1, p.kv_heads);
  for (; kv_heads > 1; --kv_heads) {
    const std::int64_t sequences = std::min<std::int64_t>(p.batch, 1 + ctas / (kv_heads * p.group()));
    if (bytes * double(kv_heads * sequences) <= kL2Working) break;
  }
  const std::int64_t sections = divide_up(p.kv_heads, kv_heads);
  return divide_up(p.kv_heads, sections) * p.group();  // sections of about the same size
}

const WgmmaSm90ForwardInstance* find_instance(const AttentionProblem& p) {
  for (const WgmmaSm90ForwardInstance& i : wgmma_sm90_forward_instances(p.dtype))
    if (p.head_dim <= i.head_dim && p.value_dim() <= i.value_dim) return &i;
  return nullptr;
}

template <class Tile>
WgmmaSm90ForwardInstance instance_of(const char* bf16, const char* f16, const char* e4m3) {
  return {Tile::kElementBytes,
          Tile::kHeadDim,
          Tile::kValueDim,
          Tile::kKeys,
          Tile::kKStages,
          Tile::kVStages,
          Tile::kQBuffers,
          sizeof(typename Tile::Shared),
          bf16,
          f16,
          e4m3};
}

}  // namespace

const std::vector<WgmmaSm90ForwardInstance>& wgmma_sm90_forward_instances(DType dtype) {
#define ASSAY_ROW(head_dim, value_dim)                                                                             \
  instance_of<WgmmaSm90ForwardTile<head_dim, value_dim>>(ASSAY_WGMMA_SM90_FORWARD_NAME(bf16, head_dim, value_dim), \
                                                         ASSAY_WGMMA_SM90_FORWARD_NAME(f16, head_dim, value_dim),  \
                                                         nullptr),
#define ASSAY_E4M3_ROW(head_dim, value_dim)                   \
  instance_of<WgmmaSm90ForwardE4m3Tile<head_dim, value_dim>>( \
      nullptr, nullptr, ASSAY_WGMMA_SM90_FORWARD_NAME(e4m3, head_dim, value_dim)),
  static const std::vector<WgmmaSm90ForwardInstance> wide = {ASSAY_WGMMA_SM90_FORWARD_INSTANCES(ASSAY_ROW)};
  static const std::vector<WgmmaSm90ForwardInstance> e4m3 = {ASSAY_WGMMA_SM90_FORWARD_E4M3_INSTANCES(ASSAY_E4M3_ROW)};
#undef ASSAY_ROW
#undef ASSAY_E4M3_ROW
  return dtype == DType::e4m3 ? e4m3 : wide;
}

WgmmaSm90ForwardChoice choose_wgmma_sm90_forward(const AttentionProblem& p, const Target& target) {
  WgmmaSm90ForwardChoice choice;
  choice.instance = find_instance(p);
  AttentionSchedule& s = choice.schedule;
  s.batch = static_cast<std::int32_t>(p.batch);
  s.seq_q = static_cast<std::int32_t>(p.seq_q);
  s.seq_kv = static_cast<std::int32_t>(p.seq_kv);
  s.query_tiles = static_cast<std::int32_t>(query_tiles(p));
  s.heads = static_cast<std::int32_t>(p.heads);
  choice.ctas = std::max(1, std::min(target.multiprocessors, s.units()));
  s.take_sections(static_cast<std::int32_t>(section_heads(p, choice.ctas)));
  return choice;
}

std::vector<AttentionQueryTile> packed_query_tiles(const AttentionProblem& p, int keys_per_tile, int tile_queries) {
  std::vector<AttentionQueryTile> tiles;
  if (!p.packed()) return tiles;
  for (std::int64_t b = 0; b < p.batch; ++b)
    for (std::int64_t first = 0; first < p.queries(b); first += tile_queries) {
      const std::int64_t row = p.q_offsets[static_cast<std::size_t>(b)] + first;
      tiles.push_back({row, static_cast<std::int32_t>(row),
                       static_cast<std::int32_t>(std::min<std::int64_t>(tile_queries, p.queries(b) - first)),
                       static_cast<std::int32_t>(p.kv_offsets[static_cast<std::size_t>(b)]),
                       static_cast<std::int32_t>(p.keys(b)),
                       static_cast<std::int32_t>(first + p.keys(b) - p.queries(b))});
    }
  const auto length = [&](const AttentionQueryTile& tile) {
    const AttentionKeyTiles keys = key_tiles(tile, keys_per_tile, p.causal, static_cast<int>(p.window));
    return keys.end - keys.begin;
  };
  std::stable_sort(tiles.begin(), tiles.end(),
                   [&](const AttentionQueryTile& a, const AttentionQueryTile& b) { return length(a) > length(b); });
  return tiles;
}

WgmmaSm90ForwardKeyTile key_tile_clocks(const WgmmaSm90ForwardInstance& i, int ctas) {
  const double scores = double(kQueries) * i.keys, width = i.head_dim + i.value_dim;
  const double element = i.element_bytes, kv_bytes = i.keys * width * element, flop_per_clock = kFlopPerClock / element;
  const double read = 2 * ((64.0 + i.keys) * i.head_dim + double(i.keys) * i.value_dim) * element;  // by two warpgroups
  const double transposed = i.element_bytes == 1 ? 2.0 * i.keys * i.value_dim : 0;
  WgmmaSm90ForwardKeyTile t{};
  t.tensor_cores = scores * width * 2 / flop_per_clock;
  t.mufu = scores / kMufuPerClock;
  t.issue = scores * (4 + element / 4 + double(i.value_dim) / i.keys) / kLanes;
  t.shared_memory = (kv_bytes + read + transposed) / kSharedBytesPerClock;
  t.l2 = kv_bytes / std::min(kL2BytesPerClockOfSm, kL2BytesPerClock / ctas);
  t.chain = 64.0 * i.keys * i.head_dim * 2 / flop_per_clock + 64.0 * i.keys / kMufuPerClock + i.keys + kChainLatencies;
  const std::pair<double, const char*> units[] = {
      {t.tensor_cores, "tensor cores"},   {t.mufu, "MUFU"}, {t.issue, "issue"},
      {t.shared_memory, "shared memory"}, {t.l2, "L2"},     {t.chain, "the softmax of one warpgroup"}};
  t.limit = "";
  for (const auto& [clocks, name] : units)
    if (clocks > t.clocks) t.clocks = clocks, t.limit = name;
  return t;
}

WgmmaSm90ForwardPrediction predict_wgmma_sm90_forward(const AttentionProblem& p, const Target& target) {
  WgmmaSm90ForwardChoice choice = choose_wgmma_sm90_forward(p, target);
  const WgmmaSm90ForwardInstance& i = *choice.instance;
  const std::vector<AttentionQueryTile> tiles = packed_query_tiles(p, i.keys);
  if (p.packed()) choice.schedule.tiles = tiles.data();
  WgmmaSm90ForwardPrediction prediction;
  prediction.key_tile = key_tile_clocks(i, choice.ctas);
  prediction.waves = double(choice.schedule.units()) / choice.ctas;
  const double per_key_tile = prediction.key_tile.clocks + kTurn;
  const double per_query_tile =
      prediction.key_tile.clocks / 2 + kLatencies + 2.0 * kQueries * i.value_dim * 2 / kSharedBytesPerClock;
  double most = 0;
  for (int cta = 0; cta < choice.ctas; ++cta) {
    double clocks = 0;
    AttentionSchedule::Cursor cursor(choice.schedule, cta, choice.ctas);
    for (AttentionWork work{}; cursor.next(work);) {
      const AttentionKeyTiles keys = key_tiles(work.tile, i.keys, p.causal, static_cast<int>(p.window));
      clocks += (keys.end - keys.begin) * per_key_tile + per_query_tile;
    }
    most = std::max(most, clocks);
  }
  const double bytes = double(p.q_elements() + p.k_elements() + p.v_elements()) * double(size_bytes(p.dtype)) +
                       double(p.o_elements()) * double(size_bytes(p.out_dtype())) + double(p.lse_elements()) * 4;
  prediction.clocks = kLaunch + std::max(most, bytes / kDramBytesPerClock);
  const double flop = 2 * p.visible_pairs() * double(p.heads) * double(p.head_dim + p.value_dim());
  prediction.flops_per_second = flop / (prediction.clocks / kClock);
  return prediction;
}

Support supports_wgmma_sm90_forward(const AttentionProblem& p, const Target& target) {
  if (target.compute_capability != 90) return Support::no("needs compute capability 9.0 (wgmma)");
  AttentionFeatures features;
  features.packed = features.window = features.value_dim = true;
  if (const Support lacks = supports_features(p, features); !lacks.ok()) return lacks;
  const auto divisor = static_cast<std::int64_t>(16 / size_bytes(p.dtype));
  if (p.head_dim % divisor != 0 || p.value_dim() % divisor != 0)
    return Support::no("bulk copies need heads that are multiples of 16 bytes: head_dim and value_dim divisible by " +
                       std::to_string(divisor));
  const WgmmaSm90ForwardInstance* instance = find_instance(p);
  if (!instance) return Support::no("has no tile for head_dim or value_dim above 256");
  if (target.shared_bytes_per_block < instance->shared_bytes)
    return Support::no("needs " + std::to_string(instance->shared_bytes) + " bytes of shared memory per block");
  // Coordinates are 32-bit, and a position plus a window or a tile must not overflow.
  constexpr std::int64_t kLongest = std::int64_t(1) << 30;
  if (p.seq_q >= kLongest || p.seq_kv >= kLongest || p.window >= kLongest)
    return Support::no("sequences and windows must be shorter than 2^30");
  if (p.all_queries() >= 2 * kLongest - 1024 || p.all_keys() >= 2 * kLongest - 1024)
    return Support::no("all sequences together must have fewer than 2^31 - 1024 queries and keys");
  if (p.heads >= kLongest || query_tiles(p) > kLongest / p.heads)
    return Support::no("more than 2^30 tiles of 128 queries");
  return Support::yes();
}

std::string explain_wgmma_sm90_forward(const AttentionProblem& p, const Target& target) {
  const WgmmaSm90ForwardChoice c = choose_wgmma_sm90_forward(p, target);
  const WgmmaSm90ForwardInstance& i = *c.instance;
  const WgmmaSm90ForwardPrediction predicted = predict_wgmma_sm90_forward(p, target);
  char text[512];
  std::snprintf(
      text, sizeof text,
      "%d queries x %d keys of %d + %d dimensions, %d + %d stages, %zu bytes shared: %d query tiles on %d CTAs, "
      "%.2f waves, %d heads at a time; a key tile takes the tensor cores %.0f clk, MUFU %.0f, shared memory "
      "%.0f, limited by %s; predicted %.0f kclk, %.0f TFLOP/s at 1.83 GHz",
      kQueries, i.keys, i.head_dim, i.value_dim, i.k_stages, i.v_stages, i.shared_bytes, c.schedule.units(), c.ctas,
      predicted.waves, c.schedule.section_heads, predicted.key_tile.tensor_cores, predicted.key_tile.mufu,
      predicted.key_tile.shared_memory, predicted.key_tile.limit, predicted.clocks / 1000,
      predicted.flops_per_second / 1e12);
  return text;
}

}  // namespace assay
