// Which rows belong to a sequence, who sees whom, and where dq is summed: what mma_sm80's backward kernels share.
// C++17.
#pragma once
#include "kernels/attention/sm80/mma_backward_params.h"

namespace assay::mma_sm80_backward {

using Params = AttentionBackwardSm80Params;

struct Sequence {
  int queries, keys;
  std::int64_t query_row, key_row;  // of q and o, of k and v
  std::int64_t dq_block;            // its first block of kDqBlock rows in dq_sum
  std::int64_t lse;                 // offset of (head 0, query 0)

  /// One behind the last key that query `i` sees; not positive where it sees none.
  __device__ __forceinline__ int visible_end(const Params& p, int i) const {
    return p.causal ? keys - queries + 1 + i : keys;
  }
};

/// Packed sequences take their blocks of dq_sum from offset / 16 + number of the sequence: each has one block more than
/// its share, which is room for its ragged end.
__device__ __forceinline__ Sequence locate_sequence(const Params& p, int batch) {
  if (p.q_offsets == nullptr)
    return {p.seq_q,
            p.seq_kv,
            std::int64_t(batch) * p.seq_q,
            std::int64_t(batch) * p.seq_kv,
            std::int64_t(batch) * ((p.seq_q + kDqBlock - 1) / kDqBlock),
            std::int64_t(batch) * p.heads * p.seq_q};
  const int query = p.q_offsets[batch], key = p.kv_offsets[batch];
  return {p.q_offsets[batch + 1] - query, p.kv_offsets[batch + 1] - key, query, key, query / kDqBlock + batch, query};
}

/// dq_sum of block `block` of a sequence: [head_dim / 8][4][32], element e of lane l of the accumulators of the n8 tile
/// j at (j * 4 + e) * 32 + l, so that a warp adds 128 consecutive bytes at a time.
template <int HeadDim>
__device__ __forceinline__ float* dq_block(const Params& p, const Sequence& sequence, int block, int head) {
  return p.dq_sum + ((sequence.dq_block + block) * p.heads + head) * (kDqBlock * HeadDim);
}

/// Hides the scores of keys that a row does not see.  `end`: one behind the last key that the thread's first row sees,
/// counted from the thread's first column; each following row sees `causal` (0 or 1) more.
template <int M16, int N8>
__device__ __forceinline__ void mask(float (&s)[M16][N8][4], int end, int causal, int window) {
#pragma unroll
  for (int i = 0; i < M16; ++i)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row_end = end + (i * 16 + half * 8) * causal;
#pragma unroll
      for (int j = 0; j < N8; ++j)
#pragma unroll
        for (int e = 0; e < 2; ++e)
          if (j * 8 + e >= row_end || j * 8 + e < row_end - window) s[i][j][half * 2 + e] = -INFINITY;
    }
}

}  // namespace assay::mma_sm80_backward
