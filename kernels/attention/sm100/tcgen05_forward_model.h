// Which instance, schedule and grid tcgen05_sm100's forward pass takes for a problem, and what it should cost.
// CUDA-free.
//
// The model counts clocks of a multiprocessor (SM); nothing in it was fitted, as nothing was measured yet.  Per key
// tile of 128 keys, both halves of 128 queries together (D, V: the instance's dimensions), the slowest of these:
//
//   tensor cores   256 * 128 (D + V) * 2 / 8192   8192 FLOP/clk (148 SMs at 1.85 GHz: 2243 TFLOP/s)
//   MUFU           256 * 128 (1 - share) / 16     ex2, 16 a clock; sm_103: 32.  `share` comes from a polynomial
//   issue          256 * 128 (3.5 + 9 share) / 128  maximum, ex2, and halves of FFMA, sum and conversion, which
//                                                 take two scores at once; ten instructions in place of ex2 for the
//                                                 polynomial.  128 lanes a clock
//   shared memory  (written + read) / 128         written: the tiles of k and v.  Read, for each half: q and k, v (the
//                                                 weights are in tensor memory)
//   L2             the tiles of k and v at min(64, 6154 / SMs) B/clk, as for Hopper
//
// e4m3: twice the FLOP a clock, half the bytes, a quarter of a conversion per score.  At 128 dimensions the tensor
// cores take 1024 clocks and MUFU, with the polynomial, 1536: exponentials bound it.
//
// and kHandOver for what the two halves do not hide of each other's turns: commit, loads and stores of tensor memory,
// the barriers between warps.  At 128 dimensions: tensor cores 2048 clocks, MUFU 1536 (2048 without the polynomial),
// issue 1472, shared memory 2048; at 64 dimensions tensor cores 1024, MUFU 1536.
//
// All at a fixed 1.85 GHz.  FlashAttention-4, whose scheme this is, reaches at most 71 % of 2250 TFLOP/s on a B200
// (arXiv 2603.05451): 2880 clocks for such a key tile, clocks lowered under load included.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/attention/attention.h"
#include "kernels/attention/sm100/tcgen05_forward_tile.h"

namespace assay {

// The same in all instances.
inline constexpr int kSm100ForwardQueries = Tcgen05Sm100ForwardTile<64, 64>::kQueries,
                     kSm100ForwardKeys = Tcgen05Sm100ForwardTile<64, 64>::kKeys;

/// One tile shape; compiled for both 16-bit types, or for e4m3.
struct Tcgen05Sm100ForwardInstance {
  int element_bytes, head_dim, value_dim, stages;
  std::size_t shared_bytes;
  const char *bf16, *f16, *e4m3;  // names of the kernels; null where there is none
};

/// Of a type's, narrowest first.
const std::vector<Tcgen05Sm100ForwardInstance>& tcgen05_sm100_forward_instances(DType);

struct Tcgen05Sm100ForwardChoice {
  const Tcgen05Sm100ForwardInstance* instance = nullptr;
  AttentionSchedule schedule;  // without tiles
  int ctas = 1;                // all running at once
};

/// For a problem that is supported.
Tcgen05Sm100ForwardChoice choose_tcgen05_sm100_forward(const AttentionProblem&, const Target&);

/// Clocks of one key tile and both halves, by unit.
struct Tcgen05Sm100ForwardKeyTile {
  double tensor_cores, mufu, issue, shared_memory, l2;
  double clocks;      // the most of these
  const char* limit;  // whose
};
Tcgen05Sm100ForwardKeyTile key_tile_clocks(const Tcgen05Sm100ForwardInstance&, const Target&, int ctas);

struct Tcgen05Sm100ForwardPrediction {
  Tcgen05Sm100ForwardKeyTile key_tile;
  double waves = 0;             // units of work / CTAs
  double clocks = 0;            // of the CTA with the most work, or of DRAM
  double flops_per_second = 0;  // of visible pairs, at 1.85 GHz
};
Tcgen05Sm100ForwardPrediction predict_tcgen05_sm100_forward(const AttentionProblem&, const Target&);

Support supports_tcgen05_sm100_forward(const AttentionProblem&, const Target&);

/// The choice and its prediction in one line.
std::string explain_tcgen05_sm100_forward(const AttentionProblem&, const Target&);

}  // namespace assay
