// Which instance, schedule and grid wgmma_sm90's forward pass takes for a problem, and what it should cost.  CUDA-free.
//
// The model counts clocks of a multiprocessor (SM); nothing in it was fitted, as nothing was measured yet.  Per key
// tile, both warpgroups together (D, V: the instance's dimensions; 128 queries, B keys), the slowest of these:
//
//   tensor cores   128 B (D + V) * 2 / 4096      4096 FLOP/clk (132 SMs at 1.83 GHz: 989 TFLOP/s)
//   MUFU           128 B / 16                    one ex2 per score, 16 a clock
//   issue          128 B (4.5 + V / B) / 128     maximum, FFMA, ex2, sum, half a conversion per score; the rescaling of
//                                                o.  128 lanes a clock
//   shared memory  (written + read) / 128        written: the tiles of k and v.  Read, by each warpgroup: 64 rows of q
//                                                and k for the scores, v for the output (its probabilities are in
//                                                registers)
//   L2             the tiles of k and v at min(64, 6154 / SMs) B/clk (the rates of the GEMM model)
//   softmax chain  64 B D * 2 / 4096 + 64 B / 16 + B + 200: what one warpgroup cannot start before it has done the
//   last:
//                  its scores, their maximum (64 lanes a clock), its exponentials; latencies
//
// e4m3: twice the FLOP a clock of the tensor cores, half the bytes; each value is read and written once more, by its
// transpose; a quarter of a conversion per score.  At 128 dimensions the tensor cores take 1024 clocks, as MUFU does,
// and shared memory 1152.
//
// and 150 for what the turns of the two warpgroups do not hide (barriers, wgmma's latency).  At 128 dimensions: 2048
// clocks of the tensor cores, 1024 of MUFU, 1792 of shared memory, a chain of 1352; at 64 dimensions 1024 each of the
// first two and a chain of 1096, which is why narrow heads are slower.  Per query tile besides: the first scores and
// the last product have only the other warpgroup's work to hide behind: half a key tile; 400 of latencies; o through
// shared memory.
//
// All at a fixed 1.83 GHz.  Under this load an H200 lowers its clock (published runs of such kernels: 1.4 to 1.6 GHz):
// a measured rate is to be compared at the measured clock.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/attention/attention.h"
#include "kernels/attention/sm90/wgmma_forward_tile.h"

namespace assay {

/// One tile shape; compiled for both 16-bit types, or for e4m3.
struct WgmmaSm90ForwardInstance {
  int element_bytes, head_dim, value_dim, keys, k_stages, v_stages, q_buffers;
  std::size_t shared_bytes;
  const char *bf16, *f16, *e4m3;  // names of the kernels; null where there is none
};

/// Of a type's, narrowest first.
const std::vector<WgmmaSm90ForwardInstance>& wgmma_sm90_forward_instances(DType);

struct WgmmaSm90ForwardChoice {
  const WgmmaSm90ForwardInstance* instance = nullptr;
  AttentionSchedule schedule;  // without tiles
  int ctas = 1;                // all running at once
};

/// For a problem that is supported.
WgmmaSm90ForwardChoice choose_wgmma_sm90_forward(const AttentionProblem&, const Target&);

/// The query tiles of packed sequences, those that walk over most keys first; empty where sequences are not packed.
std::vector<AttentionQueryTile> packed_query_tiles(const AttentionProblem&, int keys_per_tile,
                                                   int tile_queries = AttentionSchedule::kQueries);

/// Clocks of one key tile, by unit.
struct WgmmaSm90ForwardKeyTile {
  double tensor_cores, mufu, issue, shared_memory, l2, chain;
  double clocks;      // the most of these
  const char* limit;  // whose
};
WgmmaSm90ForwardKeyTile key_tile_clocks(const WgmmaSm90ForwardInstance&, int ctas);

struct WgmmaSm90ForwardPrediction {
  WgmmaSm90ForwardKeyTile key_tile;
  double waves = 0;             // units of work / CTAs
  double clocks = 0;            // of the CTA with the most work, or of DRAM
  double flops_per_second = 0;  // of visible pairs, at 1.83 GHz
};
WgmmaSm90ForwardPrediction predict_wgmma_sm90_forward(const AttentionProblem&, const Target&);

Support supports_wgmma_sm90_forward(const AttentionProblem&, const Target&);

/// The choice and its prediction in one line.
std::string explain_wgmma_sm90_forward(const AttentionProblem&, const Target&);

}  // namespace assay
