#include "kernels/attention/sm100/tcgen05_forward_model.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "kernels/attention/sm90/wgmma_forward_model.h"

namespace assay {
namespace {

constexpr double kFlopPerClock = 8192 * 2;  // times bytes of an element
constexpr double kLanes = 128;
constexpr double kSharedBytesPerClock = 128, kL2BytesPerClock = 6154, kL2BytesPerClockOfSm = 64;
constexpr double kClock = 1.85e9, kDramBytesPerClock = 8000 / 1.85;
constexpr double kHandOver = 250;    // assumed
constexpr double kLatencies = 1500;  // first loads, first scores, last output: the other half does not hide these
constexpr double kLaunch = 4000;     // about 2 us: launch, barriers, tensor memory, the first loads
// What of k and v should be in use at once: half of the L2 cache (126 MB), less some for q and o.
constexpr double kL2Working = 48e6;
constexpr int kQueries = kSm100ForwardQueries, kKeys = kSm100ForwardKeys;

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

std::int64_t query_tiles(const AttentionProblem& p) {
  if (!p.packed()) return p.batch * divide_up(p.seq_q, kQueries);
  std::int64_t tiles = 0;
  for (std::int64_t b = 0; b < p.batch; ++b) tiles += divide_up(p.queries(b), kQueries);
  return tiles;
}

/// Query heads that are worked on at a time, so that their keys and values stay in the L2 cache while every query tile
/// reads them.
std::int64_t section_heads(const AttentionProblem& p, int ctas) {
  const double bytes = double(p.seq_kv) * double(p.head_dim + p.value_dim()) *
                       double(size_bytes(p.dtype));  // of one kv head of a sequence
  std::int64_t kv_heads = p.kv_heads;
  for (; kv_heads > 1; --kv_heads) {
    const std::int64_t sequences = std::min<std::int64_t>(p.batch, 1 + ctas / (kv_heads * p.group()));
    if (bytes * double(kv_heads * sequences) <= kL2Working) break;
  }
  const std::int64_t sections = divide_up(p.kv_heads, kv_heads);
  return divide_up(p.kv_heads, sections) * p.group();  // sections of about the same size
}

const Tcgen05Sm100ForwardInstance* find_instance(const AttentionProblem& p) {
  for (const Tcgen05Sm100ForwardInstance& i : tcgen05_sm100_forward_instances(p.dtype))
    if (p.head_dim <= i.head_dim && p.value_dim() <= i.value_dim) return &i;
  return nullptr;
}

double polynomial_share(const Target& target) { return sm100_polynomial_pairs(target.compute_capability) / 4.0; }

double mufu_per_clock(const Target& target) { return target.compute_capability == 103 ? 32 : 16; }

/// Clocks of the CTA that has the most to do.
double longest_cta(const AttentionProblem& p, const Tcgen05Sm100ForwardChoice& choice, double per_key_tile,
                   double per_query_tile) {
  double most = 0;
  for (int cta = 0; cta < choice.ctas; ++cta) {
    double clocks = 0;
    AttentionSchedule::Cursor cursor(choice.schedule, cta, choice.ctas);
    for (AttentionWork unit{}; cursor.next(unit);) {
      const Tcgen05Sm100ForwardWork work = halves_of(unit, kKeys, p.causal, static_cast<int>(p.window));
      int half_tiles = 0;
      for (const AttentionKeyTiles& keys : work.keys) half_tiles += keys.end - keys.begin;
      clocks += half_tiles / 2.0 * per_key_tile + per_query_tile;
    }
    most = std::max(most, clocks);
  }
  return most;
}

template <class Tile>
Tcgen05Sm100ForwardInstance instance_of(const char* bf16, const char* f16, const char* e4m3) {
  return {Tile::kElementBytes,
          Tile::kHeadDim,
          Tile::kValueDim,
          Tile::kStages,
          sizeof(typename Tile::Shared),
          bf16,
          f16,
          e4m3};
}

}  // namespace

const std::vector<Tcgen05Sm100ForwardInstance>& tcgen05_sm100_forward_instances(DType dtype) {
#define ASSAY_ROW(head_dim, value_dim)                             \
  instance_of<Tcgen05Sm100ForwardTile<head_dim, value_dim>>(       \
      ASSAY_TCGEN05_SM100_FORWARD_NAME(bf16, head_dim, value_dim), \
      ASSAY_TCGEN05_SM100_FORWARD_NAME(f16, head_dim, value_dim), nullptr),
#define ASSAY_E4M3_ROW(head_dim, value_dim)                     \
  instance_of<Tcgen05Sm100ForwardTile<head_dim, value_dim, 1>>( \
      nullptr, nullptr, ASSAY_TCGEN05_SM100_FORWARD_NAME(e4m3, head_dim, value_dim)),
  static const std::vector<Tcgen05Sm100ForwardInstance> wide = {ASSAY_TCGEN05_SM100_FORWARD_INSTANCES(ASSAY_ROW)};
  static const std::vector<Tcgen05Sm100ForwardInstance> e4m3 = {
      ASSAY_TCGEN05_SM100_FORWARD_E4M3_INSTANCES(ASSAY_E4M3_ROW)};
#undef ASSAY_ROW
#undef ASSAY_E4M3_ROW
  return dtype == DType::e4m3 ? e4m3 : wide;
}

Tcgen05Sm100ForwardChoice choose_tcgen05_sm100_forward(const AttentionProblem& p, const Target& target) {
  Tcgen05Sm100ForwardChoice choice;
  choice.instance = find_instance(p);
  AttentionSchedule& s = choice.schedule;
  s.batch = static_cast<std::int32_t>(p.batch);
  s.seq_q = static_cast<std::int32_t>(p.seq_q);
  s.seq_kv = static_cast<std::int32_t>(p.seq_kv);
  s.query_tiles = static_cast<std::int32_t>(query_tiles(p));
  s.heads = static_cast<std::int32_t>(p.heads);
  s.tile_queries = kQueries;
  choice.ctas = std::max(1, std::min(target.multiprocessors, s.units()));
  s.take_sections(static_cast<std::int32_t>(section_heads(p, choice.ctas)));
  return choice;
}

Tcgen05Sm100ForwardKeyTile key_tile_clocks(const Tcgen05Sm100ForwardInstance& i, const Target& target, int ctas) {
  const double scores = double(kQueries) * kKeys, width = i.head_dim + i.value_dim, share = polynomial_share(target);
  const double element = i.element_bytes, kv_bytes = kKeys * width * element;
  const double read = 2 * ((128.0 + kKeys) * i.head_dim + double(kKeys) * i.value_dim) * element;  // by both halves
  Tcgen05Sm100ForwardKeyTile t{};
  t.tensor_cores = scores * width * 2 / (kFlopPerClock / element);
  t.mufu = scores * (1 - share) / mufu_per_clock(target);
  t.issue = scores * (3 + element / 4 + 9 * share) / kLanes;
  t.shared_memory = (kv_bytes + read) / kSharedBytesPerClock;
  t.l2 = kv_bytes / std::min(kL2BytesPerClockOfSm, kL2BytesPerClock / ctas);
  const std::pair<double, const char*> units[] = {{t.tensor_cores, "tensor cores"},
                                                  {t.mufu, "MUFU"},
                                                  {t.issue, "issue"},
                                                  {t.shared_memory, "shared memory"},
                                                  {t.l2, "L2"}};
  t.limit = "";
  for (const auto& [clocks, name] : units)
    if (clocks > t.clocks) t.clocks = clocks, t.limit = name;
  return t;
}

Tcgen05Sm100ForwardPrediction predict_tcgen05_sm100_forward(const AttentionProblem& p, const Target& target) {
  Tcgen05Sm100ForwardChoice choice = choose_tcgen05_sm100_forward(p, target);
  const std::vector<AttentionQueryTile> tiles = packed_query_tiles(p, kKeys, kQueries);
  if (p.packed()) choice.schedule.tiles = tiles.data();
  Tcgen05Sm100ForwardPrediction prediction;
  prediction.key_tile = key_tile_clocks(*choice.instance, target, choice.ctas);
  prediction.waves = double(choice.schedule.units()) / choice.ctas;
  const double most = longest_cta(p, choice, prediction.key_tile.clocks + kHandOver, kLatencies);
  const double bytes = double(p.q_elements() + p.k_elements() + p.v_elements()) * double(size_bytes(p.dtype)) +
                       double(p.o_elements()) * double(size_bytes(p.out_dtype())) + double(p.lse_elements()) * 4;
  prediction.clocks = kLaunch + std::max(most, bytes / kDramBytesPerClock);
  const double flop = 2 * p.visible_pairs() * double(p.heads) * double(p.head_dim + p.value_dim());
  prediction.flops_per_second = flop / (prediction.clocks / kClock);
  return prediction;
}

Support supports_tcgen05_sm100_forward(const AttentionProblem& p, const Target& target) {
  if (target.compute_capability != 100 && target.compute_capability != 103)
    return Support::no("needs compute capability 10.0 or 10.3 (tcgen05)");
  AttentionFeatures features;
  features.packed = features.window = features.value_dim = true;
  if (const Support lacks = supports_features(p, features); !lacks.ok()) return lacks;
  const auto divisor = static_cast<std::int64_t>(16 / size_bytes(p.dtype));
  if (p.head_dim % divisor != 0 || p.value_dim() % divisor != 0)
    return Support::no("bulk copies need heads that are multiples of 16 bytes: head_dim and value_dim divisible by " +
                       std::to_string(divisor));
  const Tcgen05Sm100ForwardInstance* instance = find_instance(p);
  if (!instance)
    return Support::no(
        "tensor memory holds the outputs of 256 queries up to value_dim 128, and shared memory their keys up to "
        "head_dim 192");
  if (target.shared_bytes_per_block < instance->shared_bytes)
    return Support::no("needs " + std::to_string(instance->shared_bytes) + " bytes of shared memory per block");
  // Coordinates are 32-bit, and a position plus a window or a tile must not overflow.
  constexpr std::int64_t kLongest = std::int64_t(1) << 30;
  if (p.seq_q >= kLongest || p.seq_kv >= kLongest || p.window >= kLongest)
    return Support::no("sequences and windows must be shorter than 2^30");
  if (p.all_queries() >= 2 * kLongest - 1024 || p.all_keys() >= 2 * kLongest - 1024)
    return Support::no("all sequences together must have fewer than 2^31 - 1024 queries and keys");
  if (p.heads >= kLongest || query_tiles(p) > kLongest / p.heads)
    return Support::no("more than 2^30 tiles of 256 queries");
  return Support::yes();
}

std::string explain_tcgen05_sm100_forward(const AttentionProblem& p, const Target& target) {
  const Tcgen05Sm100ForwardChoice c = choose_tcgen05_sm100_forward(p, target);
  const Tcgen05Sm100ForwardInstance& i = *c.instance;
  const Tcgen05Sm100ForwardPrediction predicted = predict_tcgen05_sm100_forward(p, target);
  const Tcgen05Sm100ForwardKeyTile& tile = predicted.key_tile;
  char text[512];
  std::snprintf(text, sizeof text,
                "2 x 128 queries x %d keys of %d + %d dimensions, %d stages, %zu bytes shared: %d query tiles on %d "
                "CTAs, %.2f waves, %d heads at a time; %.0f %% of the exponentials by polynomial; a key tile takes the "
                "tensor cores %.0f clk, MUFU %.0f, issue %.0f, shared memory %.0f, limited by %s; predicted %.0f kclk, "
                "%.0f TFLOP/s at 1.85 GHz (model, not measured)",
                kKeys, i.head_dim, i.value_dim, i.stages, i.shared_bytes, c.schedule.units(), c.ctas, predicted.waves,
                c.schedule.section_heads, 100 * polynomial_share(target), tile.tensor_cores, tile.mufu, tile.issue,
                tile.shared_memory, tile.limit, predicted.clocks / 1000, predicted.flops_per_second / 1e12);
  return text;
}

}  // namespace assay
