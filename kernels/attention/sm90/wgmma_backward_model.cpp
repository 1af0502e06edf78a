// What wgmma_sm90's backward pass is expected to take: counted, not measured.
#include <algorithm>
#include <cstdio>
#include <functional>
#include <queue>
#include <vector>

#include "kernels/attention/sm90/wgmma_backward.h"

namespace assay {
namespace {

constexpr double kFmaPerClock = 2048;  // of a multiprocessor's tensor cores, 16-bit operands
constexpr double kSharedBytesPerClock = 128, kMufuPerClock = 16;
constexpr double kDramBytesPerClock = 3350 / 1.83;  // of an H100: what an H200 has more is not counted on
constexpr double kHertz = 1.83e9;
// What nothing else hides of a query tile: the barrier between the halves of ds and the first dq's latency (FA3's and
// our own order leave the tensor cores one product of the other warpgroup to do meanwhile); at 192 the exponentials of
// both halves too, at 256 those of the one.
template <class Tile>
constexpr double kExposed = Tile::kHeadDim == 192 ? 600
                            : Tile::kWide         ? 400
                                                  : 200;
constexpr double kStart = 3000, kEnd = 2500;  // of a CTA: barriers, k and v; dk and dv on their way out
constexpr double kLaunch = 4000;              // about 2 us a kernel
constexpr std::int64_t kMostUnits = 1 << 20;  // that are dealt out one by one

/// Bytes of shared memory that a query tile moves.  Each of two consumers reads per product what wgmma takes from
/// shared memory; the rest is copies in, ds, dq on its way out, and rows' numbers (a load of a warp counts whole).
template <class Tile>
double bytes_of_tile() {
  const double q = Tile::kQueries, d = Tile::kHeadDim, v = Tile::kValueDim, keys = Tile::kKeys;
  const bool narrow = d > 128;                // products of 32 queries; ds, at 256 p too, from shared memory
  const double shares = Tile::kWide ? 2 : 1;  // consumers that have the same keys
  const double s_part = narrow ? 32 : q, dp_part = narrow ? 32 : 64;
  const double s = q / s_part / shares * (64 + s_part) * d * 2, dp = q / dp_part / shares * (64 + dp_part) * v * 2;
  const double dv_and_dk = q * (v + d) / shares * 2 + (narrow ? shares * 64 * q * 2 : 0);
  const double dq_keys = keys * Tile::kDqBlocks / 2;  // that a consumer sums, over its blocks
  const double products = Tile::kConsumers * (s + dp + dv_and_dk + (64 + 64) * dq_keys * 2);
  const double copies = q * ((d + v) * 2 + 2 * 4), stored = keys * q * 2 * shares;
  const double dq = 2.0 * Tile::kConsumers * Tile::kDqPasses * Tile::kBlockBytes;
  const double rows = Tile::kConsumers * 4 * 2 * (q / shares / 8) * 128;
  return products + copies + stored + dq + rows;
}

/// Query tiles of each unit, all heads of the group together, in the order of their numbers.
template <class Tile>
std::vector<double> unit_tiles(const AttentionProblem& p) {
  std::vector<double> units;
  for (std::int64_t b = 0; b < p.batch; ++b)
    for (std::int64_t n = 0; n * Tile::kKeys < p.keys(b); ++n) {
      const std::int64_t last = std::min(p.keys(b), (n + 1) * Tile::kKeys) - 1;
      const std::int64_t begin = p.seeing_queries(b, n * Tile::kKeys).begin, end = p.seeing_queries(b, last).end;
      const std::int64_t tiles = end > begin ? (end - 1) / Tile::kQueries - begin / Tile::kQueries + 1 : 0;
      for (std::int64_t h = 0; h < p.kv_heads; ++h) units.push_back(double(tiles * p.group()));
    }
  const bool shortest_first = p.causal && p.deterministic;
  std::sort(units.begin(), units.end(), [&](double a, double b) { return shortest_first ? a < b : a > b; });
  return units;
}

/// The clocks until the last multiprocessor is done, each taking the next unit as soon as it is free.
double makespan(const std::vector<double>& units, double tile_clocks, int multiprocessors) {
  std::priority_queue<double, std::vector<double>, std::greater<>> free_at;
  for (int i = 0; i < std::max(1, multiprocessors); ++i) free_at.push(0);
  double last = 0;
  for (const double tiles : units) {
    const double end = free_at.top() + kStart + tiles * tile_clocks + kEnd;
    free_at.pop();
    free_at.push(end);
    last = std::max(last, end);
  }
  return last;
}

template <class Tile>
WgmmaSm90BackwardPrediction predict(const AttentionProblem& p, const Target& target) {
  WgmmaSm90BackwardPrediction r{};
  r.tensor_clocks = (3.0 * Tile::kHeadDim + 2.0 * Tile::kValueDim) * Tile::kQueries * Tile::kKeys / kFmaPerClock;
  r.shared_bytes = bytes_of_tile<Tile>();
  r.shared_clocks = r.shared_bytes / kSharedBytesPerClock;
  r.mufu_clocks = double(Tile::kQueries) * Tile::kKeys / kMufuPerClock;
  r.tile_clocks = std::max({r.tensor_clocks, r.shared_clocks, r.mufu_clocks}) + kExposed<Tile>;
  const double units = double(p.batch) * double(p.kv_heads) * double((p.seq_kv + Tile::kKeys - 1) / Tile::kKeys);
  if (units <= double(kMostUnits))
    r.main_clocks = makespan(unit_tiles<Tile>(p), r.tile_clocks, target.multiprocessors);
  else  // so many that they come out even
    r.main_clocks = p.visible_pairs() * double(p.heads) / (Tile::kQueries * Tile::kKeys) * r.tile_clocks /
                    std::max(1, target.multiprocessors);
  r.main_clocks += kLaunch;
  // o and do read, dq's sums zeroed, read again, and dq written.
  const double rows = double(p.all_queries()) * double(p.heads);
  r.rows_clocks = rows * (double(p.value_dim()) * (2 + 2) + Tile::kHeadDim * (4 + 4.0) + double(p.head_dim) * 2) /
                      kDramBytesPerClock +
                  2 * kLaunch;
  const double flop = 2.0 * (3 * double(p.head_dim) + 2 * double(p.value_dim())) * p.visible_pairs() * double(p.heads);
  r.flops_per_second = flop / (r.clocks() / kHertz);
  return r;
}

}  // namespace

WgmmaSm90BackwardPrediction predict_wgmma_sm90_backward(const AttentionProblem& p, const Target& target) {
  return with_wgmma_sm90_backward_tile(p, [&](auto tile) { return predict<decltype(tile)>(p, target); });
}

std::string explain_wgmma_sm90_backward(const AttentionProblem& p, const Target& target) {
  const WgmmaSm90BackwardPrediction r = predict_wgmma_sm90_backward(p, target);
  struct Sizes {
    int queries, keys, head_dim, value_dim;
    std::size_t shared;
  };
  const Sizes tile = with_wgmma_sm90_backward_tile(p, [](auto t) {
    return Sizes{t.kQueries, t.kKeys, t.kHeadDim, t.kValueDim, sizeof(typename decltype(t)::Shared)};
  });
  const std::string filled = p.head_dim == tile.head_dim && p.value_dim() == tile.value_dim
                                 ? ""
                                 : " of " + std::to_string(tile.head_dim) + " columns, the missing ones zeros";
  char text[512];
  std::snprintf(text, sizeof text,
                "%d queries x %d keys%s, %zu bytes of shared memory%s; a tile: tensor cores %.0f, shared memory %.0f, "
                "MUFU %.0f clocks, %.0f expected; predicted %.0f kclk (%.0f %% before and after the main kernel), "
                "%.0f TFLOP/s at 1.83 GHz",
                tile.queries, tile.keys, filled.c_str(), tile.shared, p.deterministic ? ", dq added in turn" : "",
                r.tensor_clocks, r.shared_clocks, r.mufu_clocks, r.tile_clocks, r.clocks() / 1000,
                100 * r.rows_clocks / r.clocks(), r.flops_per_second / 1e12);
  return text;
}

}  // namespace assay
