#include "kernels/gemm/sm100/tcgen05_config.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <stdexcept>

#include "kernels/gemm/gemm_scaling.h"

namespace assay {
namespace {

constexpr double kL2BytesPerClock = 64;      // per multiprocessor; Hopper's figure, assumed to hold
constexpr double kDramBytesPerClock = 29;    // per multiprocessor: 8 TB/s among 148 at 1.85 GHz
constexpr double kDrainClocksPerColumn = 4;  // from tensor memory to shared memory; assumed
constexpr double kStartClocks = 2000;        // launch, tensor memory, the first loads; assumed
constexpr int kFewestStagesPerSplit = 8;     // a split shorter than the ring is mostly start-up
constexpr int kMostSplits = 16;
constexpr double kGainWorthSplitting = 0.985;  // less is within the model's own error

int divide_up(std::int64_t a, std::int64_t b) { return static_cast<int>((a + b - 1) / b); }

/// Of the epilogue, what the next tile must wait for: reading the columns that accumulators share, rounded up to the
/// epilogue's chunks of 64 (see Tcgen05Shape::kOverlap).
double exposed_epilogue(const GemmProblem& p, const Tcgen05Tile& tile) {
  if (tile.n < 256) return 0;
  return kDrainClocksPerColumn * (p.scaling == GemmScaling::mx ? 64 : p.scaling == GemmScaling::nv ? 128 : 0);
}

void rate(const GemmProblem& p, int multiprocessors, Tcgen05Choice& c) {
  const Tcgen05Tile& tile = c.tile;
  const double mma = 4 * tile.n / 2.0;
  double bytes = (128 + tile.n / tile.ctas) * 128.0;
  if (has_block_scales(p.scaling)) bytes += (1 + tile.n / 128) * 512.0 * (p.scaling == GemmScaling::nv ? 4 : 1);
  const double stage = std::max(mma, bytes / kL2BytesPerClock);
  const double epilogue = 128.0 * tile.n * static_cast<double>(size_bytes(p.output())) * (p.accumulates() ? 2 : 1) /
                          kDramBytesPerClock;  // adding reads d as well
  const double sum = c.k_tiles_per_split * stage;
  const double item = std::max(sum + exposed_epilogue(p, tile), epilogue);
  c.clocks = kStartClocks + static_cast<double>(c.waves()) * item + epilogue;
  const double k = static_cast<double>(p.k) * info(p.dtype).bits / 8 / 128;  // in stages, the last a part
  const double ideal =
      static_cast<double>(p.m) * static_cast<double>(p.n) / (128.0 * 128.0) * k * 256;  // a stage of 128 x 128
  c.efficiency = ideal / (c.clocks * multiprocessors);
}

Tcgen05Choice candidate(const GemmProblem& p, const Target& target, const Tcgen05Tile& tile, int splits) {
  const int multiprocessors = std::max(2, target.multiprocessors);
  Tcgen05Choice c;
  c.tile = tile;
  c.k_tiles = divide_up(p.k * info(p.dtype).bits, 128 * 8);
  c.k_tiles_per_split = divide_up(c.k_tiles, splits);
  c.splits = divide_up(c.k_tiles, c.k_tiles_per_split);  // none without work
  c.items = std::int64_t(divide_up(p.m, tile.m)) * divide_up(p.n, tile.n) * c.splits;
  c.concurrent = static_cast<int>(std::min<std::int64_t>(c.items, multiprocessors / tile.ctas));
  rate(p, multiprocessors, c);
  return c;
}

[[noreturn]] void refuse(const std::string& config) {
  std::string known;
  for (const Tcgen05Tile& tile : kTcgen05Tiles) known += std::string(known.empty() ? "" : ", ") + tile.name;
  throw std::runtime_error("tcgen05_sm100 has no configuration '" + config + "' for this problem; it has " + known +
                           ", with /2 to /16 where k is to be split and results are added into d");
}

}  // namespace

std::string Tcgen05Choice::name() const {
  return splits == 1 ? tile.name : std::string(tile.name) + "/" + std::to_string(splits);
}

bool fits_tcgen05_tile(const GemmProblem& p, const Tcgen05Tile& tile) {
  if (p.b_is_k_major() || info(p.dtype).bits == 16) return true;
  return tile.n / tile.ctas % 128 == 0;
}

std::vector<Tcgen05Choice> rate_tcgen05_sm100(const GemmProblem& p, const Target& target) {
  std::vector<Tcgen05Choice> choices;
  for (const Tcgen05Tile& tile : kTcgen05Tiles) {
    if (!fits_tcgen05_tile(p, tile)) continue;
    choices.push_back(candidate(p, target, tile, 1));
    const int most = p.accumulates() ? std::min(kMostSplits, choices.back().k_tiles / kFewestStagesPerSplit) : 1;
    for (int splits = 2; splits <= most; ++splits) choices.push_back(candidate(p, target, tile, splits));
  }
  std::stable_sort(choices.begin(), choices.end(),
                   [](const Tcgen05Choice& a, const Tcgen05Choice& b) { return a.clocks < b.clocks; });
  return choices;
}

Tcgen05Choice choose_tcgen05_sm100(const GemmProblem& p, const Target& target) {
  if (p.config.empty()) {
    const std::vector<Tcgen05Choice> choices = rate_tcgen05_sm100(p, target);
    const auto whole = std::find_if(choices.begin(), choices.end(), [](const auto& c) { return c.splits == 1; });
    return choices.front().clocks < kGainWorthSplitting * whole->clocks ? choices.front() : *whole;
  }
  const std::size_t slash = p.config.find('/');
  const std::string tile_name = p.config.substr(0, slash);
  int splits = 1;
  if (slash != std::string::npos) {
    int read = 0;
    const char* text = p.config.c_str() + slash + 1;
    if (std::sscanf(text, "%d%n", &splits, &read) != 1 || text[read] || splits < 2 || splits > kMostSplits ||
        !p.accumulates())
      refuse(p.config);
  }
  for (const Tcgen05Tile& tile : kTcgen05Tiles)
    if (tile_name == tile.name && fits_tcgen05_tile(p, tile)) return candidate(p, target, tile, splits);
  refuse(p.config);
}

std::string explain_tcgen05_sm100(const GemmProblem& p, const Target& target) {
  const Tcgen05Choice c = choose_tcgen05_sm100(p, target);
  const auto last = static_cast<double>(c.items - (c.waves() - 1) * c.concurrent) / c.concurrent;
  char text[256];
  std::snprintf(text, sizeof text,
                "%s by %s, %lld tiles%s in %lld waves of %d, the last %.0f %% full; %.0f clocks expected, %.0f %% of "
                "the tensor cores (model, not measured)",
                c.name().c_str(), c.tile.ctas == 2 ? "pairs of CTAs" : "single CTAs", static_cast<long long>(c.items),
                c.splits > 1 ? " (k split)" : "", static_cast<long long>(c.waves()), c.concurrent, 100 * last, c.clocks,
                100 * c.efficiency);
  return text;
}

}  // namespace assay
