// Attention forward in fp32 on ordinary cores: the version to read first.
//
// Algorithm   "Online softmax".  For one query with scores s_0, s_1, ... the result is sum_j e^(s_j - m) v_j divided by
//             sum_j e^(s_j - m), for any m; m = max s_j keeps the powers in range.  Walking over the keys, m is the
//             largest score so far; when a larger one turns up, both sums are multiplied by e^(m_old - m_new).  So one
//             pass over k and v suffices and the seq_q x seq_kv matrix of scores never exists.
//             Powers are of 2, with log2(e) inside the scale.
// Per block   64 queries of one head.  For each tile of keys: k and v to shared memory; s = q k^T; mask; new maxima;
//             p = 2^(s - m) to shared memory; o = o * 2^(m_old - m) + p v.
// Threads     16 x 16, as simt_f32_products.cuh says.  The 16 threads of a row are half a warp, so a row's maximum and
//             sum take four shuffles, and p, written and read by the same half warp, needs no block-wide barrier.
//
// Tile        64 queries x 64 keys (head_dim 64) or x 32 keys (96, 128); 256 threads
// Shared      67 KiB (64), 59 KiB (96), 75 KiB (128): q, k, v, p; rows padded so that no access conflicts
// Shapes      any seq_q, seq_kv below 2^29 (none, and none in sight, included), packed or not, with a window or none;
//             heads (at most 65535) a multiple of kv_heads, any batch; all arrays of elements 16-byte aligned
// Source      Milakov & Gimelshein, "Online normalizer calculation for softmax" (arXiv 1805.02867); tiling after Dao et
//             al., "FlashAttention" (arXiv 2205.14135).  C++17.
#pragma once
#include "kernels/attention/cuda/block.cuh"
#include "kernels/attention/cuda/params.h"
#include "kernels/attention/cuda/simt_f32_products.cuh"
#include "kernels/common/ptx/shared_address.cuh"

namespace assay::simt_f32 {

/// Copies `Count` rows of `HeadDim` floats to shared memory, 16 bytes at a time; rows from `valid` on become zero.
template <int HeadDim, int Count, int Stride>
__device__ __forceinline__ void load_rows(float (&shared)[Count][Stride], const float* rows, std::int64_t row_stride,
                                          int valid) {
  constexpr int kQuads = HeadDim / 4;
#pragma unroll 4
  for (int i = int(threadIdx.x); i < Count * kQuads; i += SimtF32Tile<HeadDim>::kThreads) {
    const int row = i / kQuads, column = i % kQuads * 4;
    *reinterpret_cast<float4*>(&shared[row][column]) =
        row < valid ? *reinterpret_cast<const float4*>(rows + row * row_stride + column) : make_float4(0, 0, 0, 0);
  }
}

/// The kernel: one block computes 64 rows of o and lse.
template <int HeadDim>
__device__ __forceinline__ void attention(const AttentionKernelParams& p) {
  using Tile = SimtF32Tile<HeadDim>;
  constexpr int kColumnsOfS = Tile::kKeys / kColumns, kColumnsOfO = HeadDim / kColumns;
  auto& shared = ptx::dynamic_smem<typename Tile::Shared>();
  const int x = int(threadIdx.x) % kColumns, first_row = int(threadIdx.x) / kColumns * kRows;
  const AttentionBlock block = locate_block(p, Tile::kQueries);
  if (block.first_query >= block.queries) return;
  const int queries = min(block.queries - block.first_query, Tile::kQueries);

  // q, o [queries, heads, head_dim];  k, v [keys, kv_heads, head_dim]
  const std::int64_t q_stride = std::int64_t(p.heads) * HeadDim, kv_stride = std::int64_t(p.kv_heads) * HeadDim;
  const std::int64_t q_start = (block.query_row + block.first_query) * q_stride + block.head * HeadDim;
  const std::int64_t kv_start = block.key_row * kv_stride + block.head / p.group * HeadDim;
  const float* k = static_cast<const float*>(p.k) + kv_start;
  const float* v = static_cast<const float*>(p.v) + kv_start;

  const int block_end = visible_end(p, block, block.first_query);  // of what the block's first query sees
  const KeyTiles tiles = key_tiles<Tile::kKeys>(p, block_end, queries);

  float o[kRows][kColumnsOfO] = {}, m[kRows], l[kRows] = {};  // l: of this thread's columns only
#pragma unroll
  for (int r = 0; r < kRows; ++r) m[r] = -INFINITY;  // no key seen yet
  load_rows<HeadDim>(shared.q, static_cast<const float*>(p.q) + q_start, q_stride, queries);

#pragma unroll 1
  for (int first_key = tiles.begin * Tile::kKeys; first_key < tiles.end * Tile::kKeys; first_key += Tile::kKeys) {
    __syncthreads();  // everyone has finished with the previous k, v and p
    load_rows<HeadDim>(shared.k, k + first_key * kv_stride, kv_stride, block.keys - first_key);
    load_rows<HeadDim>(shared.v, v + first_key * kv_stride, kv_stride, block.keys - first_key);
    __syncthreads();

    float s[kRows][kColumnsOfS];
    multiply_rows<HeadDim>(s, shared.q, shared.k, first_row, x);
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const int end = block_end + (first_row + r) * p.causal - first_key;  // of what the row sees of this tile
      float largest = m[r];
#pragma unroll
      for (int c = 0; c < kColumnsOfS; ++c) {
        const int key = x + c * kColumns;
        s[r][c] = key < end && key >= end - p.window ? s[r][c] * p.scale_log2 : -INFINITY;
        largest = fmaxf(largest, s[r][c]);
      }
      largest = row_max(largest);
      const float shift = largest == -INFINITY ? 0.f : largest;  // -inf - -inf is not a number
      const float rescale = exp2f(m[r] - shift);
      m[r] = largest;
      l[r] *= rescale;
#pragma unroll
      for (int d = 0; d < kColumnsOfO; ++d) o[r][d] *= rescale;
#pragma unroll
      for (int c = 0; c < kColumnsOfS; ++c) {
        const float probability = exp2f(s[r][c] - shift);
        l[r] += probability;
        shared.p[first_row + r][x + c * kColumns] = probability;
      }
    }
    __syncwarp();  // a row of p is written and read by one half warp
    add_product<HeadDim>(o, shared.p, shared.v, first_row, x);
  }

#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    const int query = block.first_query + first_row + r;
    const float sum = row_sum(l[r]);
    if (query >= block.queries) continue;
    const float inverse = sum == 0 ? 0.f : 1 / sum;  // no key in sight: o = 0, lse = -inf
    store_columns<HeadDim>(static_cast<float*>(p.o) + q_start + (first_row + r) * q_stride, o[r], inverse, x);
    if (x == 0) lse_row(p, block)[query] = m[r] * 0.693147180559945f + logf(sum);
  }
}

}  // namespace assay::simt_f32
