#include "kernels/gemm/sm90/wgmma_config.h"

#include <algorithm>
#include <cstdio>
#include <stdexcept>

#include "kernels/gemm/cuda/kernel_params.h"

namespace assay {
namespace {

constexpr double kRowBytes = 128;  // of k, in a stage
constexpr double kSharedBytesPerClock = 128;
constexpr double kL2BytesPerClock = 6154, kL2BytesPerClockOfSm = 64;
constexpr double kDramBytesPerClock = 3350 / 1.83;
constexpr double kWgmmaLatency = 120;  // from a group's last wgmma to the use of its result
constexpr double kRamp = 600, kBox = 150;
constexpr double kLaunch = 4000;  // about 2 us: launch, barriers, descriptors, the first loads
constexpr std::pair<int, int> kClusters[] = {{2, 1}, {1, 2}, {1, 1}};
// The sums of slices are the least certain part of the model: they must promise more than they cost to be wrong about.
constexpr double kLeastGainOfSlices = 0.015;
constexpr int kMostSlices = 16, kLeastTilesPerSlice = 4;
constexpr int kSharedBytes = 232448;

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

std::vector<WgmmaSm90Tile> tiles_of(const GemmProblem& p) {
  if (p.scaling == GemmScaling::block)
    return {std::begin(kWgmmaSm90BlockScaledTiles), std::end(kWgmmaSm90BlockScaledTiles)};
  return {std::begin(kWgmmaSm90Tiles), std::end(kWgmmaSm90Tiles)};
}

/// The clocks of one tile of k, and what takes them.
struct KTile {
  double clocks;
  const char* limit;
};

KTile k_tile_clocks(const GemmProblem& p, const WgmmaSm90Config& c, const DenseSchedule& s, int clusters,
                    double l2_rate) {
  const int m = c.tile.m, n = c.tile.n;
  const double rows = double(std::min(s.group, s.tile_rows)) * m * c.cluster_m +
                      double(divide_up(clusters, s.group)) * n * c.cluster_n;  // in flight
  const KTile parts[] = {
      {m * n / 32.0, "tensor cores"},
      {(m + n + 2 * (64 + n)) * kRowBytes / kSharedBytesPerClock, "shared memory"},
      {(double(m) / c.cluster_n + double(n) / c.cluster_m) * kRowBytes / l2_rate, "L2"},
      {rows * kRowBytes / kDramBytesPerClock, "DRAM"},
      {p.scaling == GemmScaling::block ? m * n / 64.0 + kWgmmaLatency + n / 2.0 : 0, "adding up"},
  };
  return *std::max_element(std::begin(parts), std::end(parts),
                           [](const KTile& a, const KTile& b) { return a.clocks < b.clocks; });
}

/// What a tile costs beside its k.
double store_clocks(const GemmProblem& p, const WgmmaSm90Config& c, double l2_rate) {
  const double bytes = double(c.tile.m) * c.tile.n * double(size_bytes(p.output()));
  const double boxes = bytes / 2 / (64 * kRowBytes);  // of one warpgroup
  return kRamp + bytes / kSharedBytesPerClock + boxes * kBox + (p.accumulates() ? bytes / l2_rate : 0);
}

/// The clocks of DRAM, which cannot be fewer: a and b once, d once, twice where it is added to.
double dram_clocks(const GemmProblem& p) {
  const double m = double(p.m), n = double(p.n), k = double(p.k);
  const double d_bytes = m * n * double(size_bytes(p.output())) * (p.accumulates() ? 2 : 1);
  return ((m + n) * k * double(size_bytes(p.dtype)) + d_bytes) / kDramBytesPerClock;
}

/// The clocks of the cluster with the most work: units are dealt out in turn, slices first.
double makespan(const DenseSchedule& s, int clusters, double slice_clocks, double tile_clocks) {
  const std::int64_t slices = s.sliced_tiles * s.slices, units = s.units();
  double most = 0;
  for (int c = 0; c < clusters; ++c) {
    const std::int64_t all = divide_up(units - c, clusters),
                       sliced = std::max<std::int64_t>(0, divide_up(slices - c, clusters));
    most = std::max(most, double(sliced) * slice_clocks + double(all - sliced) * tile_clocks);
  }
  return most;
}

/// `config` with a given number of sliced tiles.
WgmmaSm90Choice predict(const GemmProblem& p, const Target& target, const WgmmaSm90Config& config,
                        std::int64_t sliced_tiles) {
  WgmmaSm90Choice choice;
  choice.config = config;
  DenseSchedule& s = choice.schedule;
  const int tile_m = config.tile.m * config.cluster_m, tile_n = config.tile.n * config.cluster_n;
  const int resident = std::max(1, target.multiprocessors / config.cluster_size());
  s.tile_rows = static_cast<int>(divide_up(p.m, tile_m));
  s.tile_columns = static_cast<int>(divide_up(p.n, tile_n));
  s.group = raster_group(tile_m, tile_n, resident);
  s.k_tiles = static_cast<int>(divide_up(p.k, wgmma_sm90_tile_k(p.dtype)));
  s.sliced_tiles = static_cast<int>(sliced_tiles);
  s.slices = sliced_tiles ? config.slices : 1;
  choice.clusters = static_cast<int>(std::min<std::int64_t>(resident, s.units()));
  choice.waves = double(s.tiles()) / choice.clusters;

  const double l2_rate = std::min(kL2BytesPerClockOfSm, kL2BytesPerClock / (choice.clusters * config.cluster_size()));
  const KTile k_tile = k_tile_clocks(p, config, s, choice.clusters, l2_rate);
  const double store = store_clocks(p, config, l2_rate);
  const double partial = double(config.tile.m) * config.tile.n * 4 / l2_rate;  // one slice's sums, written or read
  const double slice_clocks = double(divide_up(s.k_tiles, s.slices)) * k_tile.clocks + kRamp + 2 * partial;
  choice.clocks = kLaunch + makespan(s, choice.clusters, slice_clocks, s.k_tiles * k_tile.clocks + store) +
                  (sliced_tiles ? store + (s.slices - 1) * partial : 0);  // the last tile's sum and store
  choice.limit = k_tile.limit;
  if (const double dram = kLaunch + dram_clocks(p); dram > choice.clocks) choice.clocks = dram, choice.limit = "DRAM";
  const double flop_per_clock = 4096.0 * 2 / double(size_bytes(p.dtype)) * target.multiprocessors;
  choice.efficiency = 2.0 * double(p.m) * double(p.n) * double(p.k) / flop_per_clock / choice.clocks;
  return choice;
}

}  // namespace

std::string name(const WgmmaSm90Config& c, DType dtype) {
  const char* cluster = c.cluster_m > 1 ? "c2m" : c.cluster_n > 1 ? "c2n" : "c1";
  return std::to_string(c.tile.m) + "x" + std::to_string(c.tile.n) + "x" + std::to_string(wgmma_sm90_tile_k(dtype)) +
         "/" + cluster + "/s" + std::to_string(c.slices);
}

WgmmaSm90Choice predict_wgmma_sm90(const GemmProblem& p, const Target& target, const WgmmaSm90Config& config) {
  const WgmmaSm90Choice whole = predict(p, target, config, 0);
  if (config.slices == 1) return whole;
  // The last, partial round; or this and the one before, where slices of the last alone would not fill it either.
  const std::int64_t tiles = whole.schedule.tiles(),
                     round = std::max(1, target.multiprocessors / config.cluster_size());
  const std::int64_t rest = tiles % round ? tiles % round : std::min(tiles, round);
  const WgmmaSm90Choice last = predict(p, target, config, rest);
  if (rest + round > tiles) return last;
  const WgmmaSm90Choice two = predict(p, target, config, rest + round);
  return two.clocks < last.clocks ? two : last;
}

std::vector<WgmmaSm90Config> wgmma_sm90_configs(const GemmProblem& p) {
  const std::int64_t k_tiles = divide_up(p.k, wgmma_sm90_tile_k(p.dtype));
  std::vector<WgmmaSm90Config> configs;
  for (const WgmmaSm90Tile& tile : tiles_of(p))
    for (const auto& [along_m, along_n] : kClusters)
      for (int slices = 1; slices <= kMostSlices; ++slices)
        if (slices == 1 || k_tiles / slices >= kLeastTilesPerSlice) configs.push_back({tile, along_m, along_n, slices});
  return configs;
}

WgmmaSm90Choice choose_wgmma_sm90(const GemmProblem& p, const Target& target) {
  const std::vector<WgmmaSm90Config> configs = wgmma_sm90_configs(p);
  if (!p.config.empty()) {
    std::string known;
    for (const WgmmaSm90Config& config : configs) {
      if (name(config, p.dtype) == p.config) return predict_wgmma_sm90(p, target, config);
      known += (known.empty() ? "" : ", ") + name(config, p.dtype);
    }
    throw std::runtime_error("wgmma_sm90 has no configuration " + p.config + " for this problem; it has " + known);
  }
  WgmmaSm90Choice best = predict_wgmma_sm90(p, target, configs.front());
  for (const bool sliced : {false, true}) {
    const double whole = best.clocks * (1 - kLeastGainOfSlices);
    for (const WgmmaSm90Config& config : configs) {
      if ((config.slices > 1) != sliced) continue;
      const WgmmaSm90Choice choice = predict_wgmma_sm90(p, target, config);
      if (choice.clocks < best.clocks && !(sliced && choice.clocks >= whole)) best = choice;
    }
  }
  return best;
}

Support fits_wgmma_sm90(const GemmProblem& p, const Target& target) {
  if (target.compute_capability != 90) return Support::no("needs compute capability 9.0 (wgmma)");
  if (target.shared_bytes_per_block < kSharedBytes)
    return Support::no("needs " + std::to_string(kSharedBytes) + " bytes of shared memory per block");
  const auto rows = [](std::int64_t elements, DType t) { return elements * std::int64_t(size_bytes(t)) % 16 == 0; };
  if (!rows(leading_dimension_a(p), p.dtype) || !rows(leading_dimension_b(p), p.dtype) || !rows(p.n, p.output()))
    return Support::no("bulk copies need rows that are multiples of 16 bytes");
  if (const std::string reason = reason_extents_unfit(p, 128, 128); !reason.empty()) return {reason};
  try {
    choose_wgmma_sm90(p, target);
  } catch (const std::runtime_error& unknown) {
    return Support::no(unknown.what());
  }
  return Support::yes();
}

Support supports_wgmma_sm90(const GemmProblem& p, const Target& target) {
  if (p.scaling != GemmScaling::none) return Support::no("has no scale factors");
  if (p.dtype == DType::tf32 && p.layout != GemmLayout::tn)
    return Support::no("wgmma reads tf32 operands with contiguous k alone: layout tn");
  return fits_wgmma_sm90(p, target);
}

std::string explain_wgmma_sm90(const GemmProblem& p, const Target& target) {
  const WgmmaSm90Choice c = choose_wgmma_sm90(p, target);
  char text[256];
  std::snprintf(text, sizeof text, "%s: %d tiles on %d clusters of %d, %.2f waves", name(c.config, p.dtype).c_str(),
                c.schedule.tiles(), c.clusters, c.config.cluster_size(), c.waves);
  std::string line = text;
  if (c.schedule.sliced_tiles)
    line += ", " + std::to_string(c.schedule.sliced_tiles) + " tiles in " + std::to_string(c.schedule.slices) +
            " slices of k";
  std::snprintf(text, sizeof text, "; predicted %.0f kclk, %.0f %% of the tensor cores' peak, limited by %s",
                c.clocks / 1000, 100 * c.efficiency, c.limit);
  return line + text;
}

}  // namespace assay
