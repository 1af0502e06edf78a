// Which (sequence, head, query tile) a block works on, and which keys its queries see.  C++17.
#pragma once
#include "kernels/attention/cuda/params.h"

namespace assay {

struct AttentionBlock {
  int batch, head, first_query;
  int queries, keys;                // of the whole sequence; a block whose first_query is past them has no work
  std::int64_t query_row, key_row;  // the sequence's first rows in q and o, in k and v
};

/// The sequence and head of a block, and which of the longest sequence's `tiles` it has.  The grid is (tiles * folds,
/// heads, batch / folds): y and z end at 65535, so a longer batch is folded into x, one subtraction a fold (a division
/// would keep its results in vector registers).  The last fold may reach past the batch: no queries, no keys then.
__device__ __forceinline__ AttentionBlock locate_sequence(const AttentionKernelParams& p, int tiles, int& tile) {
  int batch = int(blockIdx.z);
  for (tile = int(blockIdx.x); tile >= tiles; tile -= tiles) batch += int(gridDim.z);
  AttentionBlock block{batch, int(blockIdx.y), 0, 0, 0, 0, 0};
  if (batch >= p.batch) return block;
  if (p.q_offsets == nullptr) {
    block.queries = p.seq_q, block.keys = p.seq_kv;
    block.query_row = std::int64_t(batch) * p.seq_q, block.key_row = std::int64_t(batch) * p.seq_kv;
  } else {
    block.query_row = p.q_offsets[batch], block.key_row = p.kv_offsets[batch];
    block.queries = p.q_offsets[batch + 1] - int(block.query_row);
    block.keys = p.kv_offsets[batch + 1] - int(block.key_row);
  }
  return block;
}

/// A block that owns a tile of queries; past the batch or the sequence its queries end before first_query.  Query tiles
/// vary fastest, so that blocks that run together share k and v in L2; the last tile, which under a causal mask sees
/// most keys, starts first.
__device__ __forceinline__ AttentionBlock locate_block(const AttentionKernelParams& p, int queries_per_block) {
  int tile;
  AttentionBlock block = locate_sequence(p, p.query_tiles, tile);
  block.first_query = (p.query_tiles - 1 - tile) * queries_per_block;
  return block;
}

/// Where lse of the sequence's first query is: [batch, heads, seq_q], or packed [heads, queries of all sequences].
__device__ __forceinline__ std::int64_t lse_offset(const AttentionKernelParams& p, const AttentionBlock& block,
                                                   int head) {
  return block.query_row * (p.q_offsets == nullptr ? p.heads : 1) + head * p.lse_head_stride;
}
__device__ __forceinline__ float* lse_row(const AttentionKernelParams& p, const AttentionBlock& block) {
  return p.lse + lse_offset(p, block, block.head);
}

/// One behind the last key that query `query` of the block's sequence sees; not positive where it sees none.
__device__ __forceinline__ int visible_end(const AttentionKernelParams& p, const AttentionBlock& block, int query) {
  return p.causal ? block.keys - block.queries + 1 + query : block.keys;
}

/// The tiles of `Keys` keys that `rows` queries see part of: end - 1 down to begin.  Of unmasked_begin ..
/// unmasked_end - 1 (perhaps none) every query sees every key; those before have the window's left edge in them, those
/// after the diagonal or the sequence's ragged end, and a short window puts both into one tile.
struct KeyTiles {
  int begin, unmasked_begin, unmasked_end, end;
};
template <int Keys>
__device__ __forceinline__ KeyTiles key_tiles(const AttentionKernelParams& p, int first_row_end, int rows) {
  const int last_row_end = first_row_end + (rows - 1) * p.causal;
  return {max(0, first_row_end - p.window) / Keys, (max(0, last_row_end - p.window) + Keys - 1) / Keys,
          max(0, first_row_end) / Keys, (max(0, last_row_end) + Keys - 1) / Keys};
}

}  // namespace assay
