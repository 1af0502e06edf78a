// Which (batch, head, query tile) a block works on.  C++17.
#pragma once
#include "kernels/attention/cuda_params.h"

namespace assay {

struct AttentionBlock {
  int batch, head, first_query;
};

/// The grid is (query tiles * folds, heads, batch / folds): y and z end at 65535, so a longer batch is folded into x,
/// one subtraction a fold (a division would keep its results in vector registers).  The last fold may reach past the
/// batch. Query tiles vary fastest, so that blocks that run together share k and v in L2; the last tile, which under a
/// causal mask sees most keys, starts first.
__device__ __forceinline__ AttentionBlock locate_block(const AttentionKernelParams& p, int queries_per_block) {
  int tile = int(blockIdx.x), batch = int(blockIdx.z);
  for (; tile >= p.query_tiles; tile -= p.query_tiles) batch += int(gridDim.z);
  return {batch, int(blockIdx.y), (p.query_tiles - 1 - tile) * queries_per_block};
}

}  // namespace assay
