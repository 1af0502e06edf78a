// The host side of wgmma_backward.cuh: what it accepts, how it is launched, what is expected of it.  Needs cuda.h
// for its types alone; C++17.
#pragma once
#include <array>
#include <cstddef>
#include <string>

#include "kernels/attention/attention.h"
#include "kernels/attention/sm90/wgmma_backward_params.h"
#include "kernels/common/launch_plan.h"
#include "kernels/common/tensor_map.h"

namespace assay {

/// Calls `f` with the tile of a problem: the narrowest that holds its head_dim and value_dim, of which its missing
/// columns are zeros.
template <class F>
auto with_wgmma_sm90_backward_tile(const AttentionProblem& p, F f) {
  if (p.head_dim <= 64 && p.value_dim() <= 64) return f(WgmmaSm90BackwardTile<64>());
  if (p.head_dim <= 128 && p.value_dim() <= 128) return f(WgmmaSm90BackwardTile<128>());
  if (p.head_dim <= 192 && p.value_dim() <= 128) return f(WgmmaSm90BackwardTile<192, 128>());
  return f(WgmmaSm90BackwardTile<256>());
}

using WgmmaSm90BackwardPlan = LaunchPlan<WgmmaSm90BackwardParams>;

Support supports_wgmma_sm90_backward(const AttentionProblem&, const Target&);

/// Memory that the three kernels share, 256-byte aligned; it need not be initialised.
std::size_t wgmma_sm90_backward_workspace_bytes(const AttentionProblem&);

/// The three launches, in order; those with an empty grid have nothing to do.  Throws std::runtime_error where arrays
/// are not aligned to 16 bytes.
std::array<WgmmaSm90BackwardPlan, 3> plan_wgmma_sm90_backward(const AttentionProblem&, const AttentionBuffers&,
                                                              void* workspace, TensorMapEncoder);

/// What the model expects; clocks are those of a multiprocessor.
struct WgmmaSm90BackwardPrediction {
  double tensor_clocks, shared_clocks, mufu_clocks;  // of one query tile
  double shared_bytes;                               // moved for one query tile
  double tile_clocks;                                // all together
  double main_clocks, rows_clocks;                   // of the main kernel; of those before and after it
  double clocks() const { return main_clocks + rows_clocks; }
  double flops_per_second;  // of the contract, at 1.83 GHz
};
WgmmaSm90BackwardPrediction predict_wgmma_sm90_backward(const AttentionProblem&, const Target&);

std::string explain_wgmma_sm90_backward(const AttentionProblem&, const Target&);

}  // namespace assay
