#include "kernels/grouped_gemm/wgmma_sm90_config.h"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <stdexcept>

namespace assay {
namespace {

constexpr std::int64_t kTileM = kGroupAlignment, kTileK = 64;
constexpr double kRowBytes = 128;  // of k, in a stage
constexpr double kSharedBytesPerClock = 128;
constexpr double kL2BytesPerClock = 6154, kL2BytesPerClockOfSm = 64;
constexpr double kDramBytesPerClock = 3350 / 1.83;
constexpr double kRamp = 600, kBox = 150, kLaunch = 4000;
constexpr double kFlopPerClock = 4096;  // of a multiprocessor, 16-bit operands
constexpr std::size_t kSharedBytes = 232448;

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// The clocks of one tile of k: of tensor cores, shared memory and L2 the slowest.
double k_tile_clocks(const GroupedWgmmaConfig& c, double l2_rate) {
  const double m = double(kTileM), n = c.tile_n;
  return std::max({m * n / 32, (m + n + 2 * (64 + n)) * kRowBytes / kSharedBytesPerClock,
                   (m / c.cluster_n + n) * kRowBytes / l2_rate});
}

/// What a tile costs beside its k: the ramp, d's way through shared memory in boxes, and d's old values.
double store_clocks(const GroupedGemmProblem& p, const GroupedWgmmaConfig& c, double l2_rate) {
  const double bytes = double(kTileM) * c.tile_n * double(size_bytes(p.output()));
  return kRamp + bytes / kSharedBytesPerClock + bytes / 2 / (64 * kRowBytes) * kBox +
         (p.pass == GroupedPass::wgrad ? bytes / l2_rate : 0);
}

/// The clocks of DRAM, which cannot be fewer: tokens, and the weights of groups that have any (wgrad: their gradients,
/// read and written), once.
double dram_clocks(const GroupedGemmProblem& p) {
  const double tokens = double(p.total_rows()) * double(p.n + p.k) * double(size_bytes(p.dtype));
  const double weight = p.pass == GroupedPass::wgrad ? 2 * double(size_bytes(p.output())) : double(size_bytes(p.dtype));
  const auto groups = p.groups() - std::count(p.rows.begin(), p.rows.end(), 0);
  return (tokens + double(groups) * double(p.n) * double(p.k) * weight) / kDramBytesPerClock;
}

/// The tiles of a group, in clusters.
std::int64_t tiles_of_group(const GroupedGemmProblem& p, const GroupedWgmmaConfig& c, std::int64_t rows) {
  const GemmProblem gemm = p.gemm_of_rows(rows);
  return divide_up(gemm.m, kTileM) * divide_up(gemm.n, std::int64_t(c.tile_n) * c.cluster_n);
}

}  // namespace

std::string name(const GroupedWgmmaConfig& c) {
  return "128x" + std::to_string(c.tile_n) + "x64/" + (c.cluster_n > 1 ? "c2n" : "c1");
}

GroupedWgmmaChoice predict_wgmma_grouped(const GroupedGemmProblem& p, const Target& target,
                                         const GroupedWgmmaConfig& config) {
  GroupedWgmmaChoice choice;
  choice.config = config;
  for (const std::int64_t rows : p.rows)
    if (rows > 0) choice.tiles += tiles_of_group(p, config, rows);
  const std::int64_t resident = std::max(1, target.multiprocessors / config.cluster_n);
  choice.clusters = int(std::clamp<std::int64_t>(choice.tiles, 1, resident));

  const double l2_rate = std::min(kL2BytesPerClockOfSm, kL2BytesPerClock / (choice.clusters * config.cluster_n));
  const double k_tile = k_tile_clocks(config, l2_rate), store = store_clocks(p, config, l2_rate);
  std::vector<double> load(std::size_t(choice.clusters), 0.0);  // clocks of each cluster: tiles are dealt out in turn
  std::int64_t next = 0;
  for (const std::int64_t rows : p.rows) {
    if (rows == 0) continue;
    const std::int64_t tiles = tiles_of_group(p, config, rows);
    const double clocks = double(divide_up(p.gemm_of_rows(rows).k, kTileK)) * k_tile + store;
    for (int c = 0; c < choice.clusters; ++c) {
      const std::int64_t offset = (c - next % choice.clusters + choice.clusters) % choice.clusters;
      if (offset < tiles) load[std::size_t(c)] += double(divide_up(tiles - offset, choice.clusters)) * clocks;
    }
    next += tiles;
  }
  choice.clocks = kLaunch + std::max(*std::max_element(load.begin(), load.end()), dram_clocks(p));
  choice.efficiency = 2.0 * double(p.total_rows()) * double(p.n) * double(p.k) /
                      (kFlopPerClock * std::max(1, target.multiprocessors)) / choice.clocks;
  return choice;
}

GroupedWgmmaChoice choose_wgmma_grouped(const GroupedGemmProblem& p, const Target& target) {
  GroupedWgmmaChoice best;
  std::string known;
  for (const GroupedWgmmaConfig& config : kGroupedWgmmaConfigs) {
    const GroupedWgmmaChoice choice = predict_wgmma_grouped(p, target, config);
    if (name(config) == p.config) return choice;
    known += (known.empty() ? "" : ", ") + name(config);
    if (best.clusters == 0 || choice.clocks < best.clocks) best = choice;
  }
  if (!p.config.empty())
    throw std::runtime_error("wgmma_sm90 has no configuration " + p.config + " for grouped GEMM; it has " + known);
  return best;
}

Support supports_wgmma_grouped(const GroupedGemmProblem& p, const Target& target) {
  if (target.compute_capability != 90) return Support::no("needs compute capability 9.0 (wgmma)");
  if (target.shared_bytes_per_block < kSharedBytes)
    return Support::no("needs " + std::to_string(kSharedBytes) + " bytes of shared memory per block");
  if (p.n % 8 != 0 || p.k % 8 != 0) return Support::no("bulk copies need n and k that are multiples of 8");
  if (p.pass == GroupedPass::dgrad && p.n % kTileK != 0)
    return Support::no("dgrad needs n in whole tiles of 64: the next expert's weights follow at once");
  if (p.pass == GroupedPass::wgrad && p.n % kTileM != 0)
    return Support::no("wgrad needs n in whole tiles of 128: the next expert's gradient follows at once");
  constexpr std::int64_t kLargest = std::numeric_limits<int>::max() - 4096;  // room for the overhang of edge tiles
  if (std::max({p.first_rows().back(), p.groups() * p.n, p.n, p.k}) > kLargest)
    return Support::no("an extent exceeds " + std::to_string(kLargest));
  try {
    if (choose_wgmma_grouped(p, target).tiles > kLargest) return Support::no("more than 2^31 tiles");
  } catch (const std::runtime_error& unknown) {
    return Support::no(unknown.what());
  }
  return Support::yes();
}

std::string explain_wgmma_grouped(const GroupedGemmProblem& p, const Target& target) {
  const GroupedWgmmaChoice c = choose_wgmma_grouped(p, target);
  char text[256];
  std::snprintf(text, sizeof text,
                "%s: %lld tiles of %d groups on %d clusters of %d, %.2f waves; predicted %.0f kclk, %.0f %% of the "
                "tensor cores' peak",
                name(c.config).c_str(), static_cast<long long>(c.tiles), p.groups(), c.clusters, c.config.cluster_n,
                double(c.tiles) / c.clusters, c.clocks / 1000, 100 * c.efficiency);
  return text;
}

}  // namespace assay
