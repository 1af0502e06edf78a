// Which tile and cluster grouped wgmma_sm90 uses, by a model of what each would cost.  CUDA-free.
//
// The tiles and the costs of a tile are those that kernels/gemm/sm90/wgmma_config.h reasons out for one matrix; what
// differs is how many there are.  Clusters are two CTAs along n, which share their rows of a, or one CTA: never along
// m, where the second CTA could have another group's rows.  The makespan is that of the cluster with the most work when
// tiles are dealt out in turn.
#pragma once
#include <string>
#include <vector>

#include "kernels/gemm/sm90/wgmma_config.h"
#include "kernels/grouped_gemm/grouped_gemm.h"
#include "kernels/grouped_gemm/grouped_schedule.h"

namespace assay {

struct GroupedWgmmaConfig {
  int tile_n = 256, stages = 4;  // tile_m is 128 = kGroupAlignment
  int cluster_n = 2;
};

inline constexpr GroupedWgmmaConfig kGroupedWgmmaConfigs[] = {{256, 4, 2}, {256, 4, 1}, {128, 6, 2}, {128, 6, 1}};

/// "128x256x64/c2n".
std::string name(const GroupedWgmmaConfig&);

struct GroupedWgmmaChoice {
  GroupedWgmmaConfig config;
  int clusters = 0;        // in the grid, all running at once
  std::int64_t tiles = 0;  // of clusters
  double clocks = 0;       // predicted, of the cluster with the most work
  double efficiency = 0;   // the tensor cores' clocks that all multiply-adds need / clocks
};

/// What `config` would do.
GroupedWgmmaChoice predict_wgmma_grouped(const GroupedGemmProblem&, const Target&, const GroupedWgmmaConfig&);

/// The configuration that the problem names, else the one with the fewest predicted clocks, of equals the first.
/// Throws std::runtime_error where there is none of that name.
GroupedWgmmaChoice choose_wgmma_grouped(const GroupedGemmProblem&, const Target&);

/// Empty, or why wgmma_sm90 does not take the problem.
Support supports_wgmma_grouped(const GroupedGemmProblem&, const Target&);

/// The choice and its prediction in one line.
std::string explain_wgmma_grouped(const GroupedGemmProblem&, const Target&);

}  // namespace assay
