// Which tile, cluster and slicing wgmma_sm90 uses for a problem, by a model of what each would cost.  CUDA-free.
//
// The model counts clocks of a multiprocessor (SM), for the CTA with the most work; nothing in it was fitted, as
// nothing was measured yet.  A tile of k is 128 bytes wide.  Per tile of k, the slowest of these:
//
//   tensor cores   tile_m * tile_n / 32: 64 elements of 16 bits at 4096 FLOP/clk (132 SMs at 1.83 GHz: 989 TFLOP/s);
//                  tf32 has half the rate and half the elements
//   shared memory  (written + read) / 128 B/clk      written: (tile_m + tile_n) * 128 B.  Read: each warpgroup's wgmma
//                                                    takes 64 rows of a and all of b: 2 * (64 + tile_n) * 128 B.
//   L2             (tile_m / cluster_n + tile_n / cluster_m) * 128 B at min(64, 6154 / SMs) B/clk: multicast operands
//                                                    are fetched once per cluster.  The rates are DeepGEMM's for
//                                                    Hopper.
//   adding up      (block scaling) a warpgroup's wgmma, its result's latency, and a multiply-add per accumulator follow
//                  each other, while the other warpgroup's wgmma run: tile_m * tile_n / 64 + 120 + tile_n / 2
//   DRAM           rows of a and columns of b of all running tiles * 128 B, once per wave, at 1830 B/clk (3.35 TB/s)
//
// This is why the set of tiles is what it is: 128 x 256 needs 1024 clocks of the tensor cores and as many of shared
// memory, the best balance that the registers allow (256 x 128 would read a and b in 64 x 128 pieces: 1152 clocks of
// shared memory); 128 x 192 (768 and 832) fits n that 256 does not divide; 128 x 128 (512 and 640) fills the machine
// where tiles are few.  Both dimensions above 128 do not fit the registers of two warpgroups.
//
// Per tile, what no other work hides, because both warpgroups do it:
//
//   ramp           600: the wgmma pipeline drains and fills, barriers
//   store          d's tile through shared memory at 128 B/clk, and 150 per box of 64 x 128 B (fence, two barriers);
//                  where d is added to, its old values at L2's rate
//   slices         each slice writes its fp32 tile at L2's rate, and one of them reads all
//
// And never less than DRAM needs to move a, b and d once, and d twice where it is added to.
//
// Tiles are dealt out in rounds.  Where they do not fill the last round, its tiles (or these and a round more) can be
// cut into slices of k, which costs the sums and gains what else would be idle.
#pragma once
#include <string>
#include <vector>

#include "kernels/gemm/gemm.h"
#include "kernels/gemm/sm90/wgmma_schedule.h"

namespace assay {

struct WgmmaSm90Tile {
  int m, n, stages;  // stages: what 227 KiB hold beside 32 KiB for d
};
inline constexpr WgmmaSm90Tile kWgmmaSm90Tiles[] = {{128, 256, 4}, {128, 192, 4}, {128, 128, 6}};

struct WgmmaSm90Config {
  WgmmaSm90Tile tile = kWgmmaSm90Tiles[0];
  int cluster_m = 2, cluster_n = 1;  // CTAs that share b's columns, a's rows
  int slices = 1;                    // of k, in the tiles that are sliced
  int cluster_size() const { return cluster_m * cluster_n; }
};

/// Of block-scaled operands: two sets of accumulators, and stages that also hold factors.
inline constexpr WgmmaSm90Tile kWgmmaSm90BlockScaledTiles[] = {{128, 192, 4}, {128, 128, 5}};

/// Elements of k in a stage: 128 bytes.
inline int wgmma_sm90_tile_k(DType dtype) { return 128 / static_cast<int>(size_bytes(dtype)); }

/// "128x256x64/c2m/s1": the tile, the cluster (c1, c2m: two along m, c2n: two along n), the slices of k.
std::string name(const WgmmaSm90Config&, DType);

struct WgmmaSm90Choice {
  WgmmaSm90Config config;
  DenseSchedule schedule;
  int clusters = 0;        // in the grid, all running at once
  double waves = 0;        // tiles / clusters
  double clocks = 0;       // predicted, of the CTA with the most work
  double efficiency = 0;   // the tensor cores' clocks that all multiply-adds need / clocks
  const char* limit = "";  // what a tile of k waits for, or all
};

/// What `config` would do.
WgmmaSm90Choice predict_wgmma_sm90(const GemmProblem&, const Target&, const WgmmaSm90Config&);

/// Every configuration that there is for the problem, the default first.
std::vector<WgmmaSm90Config> wgmma_sm90_configs(const GemmProblem&);

/// The configuration that the problem names, else the one with the fewest predicted clocks; of equals the first, and
/// slices only where they promise 1.5 % more.
/// Throws std::runtime_error where there is none of that name.
WgmmaSm90Choice choose_wgmma_sm90(const GemmProblem&, const Target&);

/// What any kernel built on wgmma.cuh asks of a problem and a GPU.
Support fits_wgmma_sm90(const GemmProblem&, const Target&);

/// Empty, or why wgmma_sm90 does not take the problem.
Support supports_wgmma_sm90(const GemmProblem&, const Target&);

/// The choice and its prediction in one line.
std::string explain_wgmma_sm90(const GemmProblem&, const Target&);

}  // namespace assay
