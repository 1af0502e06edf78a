// Attention forward in fp32 on ordinary cores: the version to read first.
//
// Algorithm   "Online softmax".  For one query with scores s_0, s_1, ... the result is sum_j e^(s_j - m) v_j divided by
//             sum_j e^(s_j - m), for any m; m = max s_j keeps the powers in range.  Walking over the keys, m is the
//             largest score so far; when a larger one turns up, both sums are multiplied by e^(m_old - m_new).  So one
//             pass over k and v suffices and the seq_q x seq_kv matrix of scores never exists.
//             Powers are of 2, with log2(e) inside the scale.
// Per block   64 queries of one head.  For each tile of keys: k and v to shared memory; s = q k^T; mask; new maxima;
//             p = 2^(s - m) to shared memory; o = o * 2^(m_old - m) + p v.
// Threads     16 x 16.  Thread (y, x) owns rows 4 y .. 4 y + 3 of s, p and o, and of their columns every 16th, from x.
//             The 16 threads of a row are half a warp, so a row's maximum and sum take four shuffles, and p, written
//             and read by the same half warp, needs no block-wide barrier.
//
// Tile        64 queries x 64 keys (head_dim 64) or x 32 keys (128); 256 threads
// Shared      67 KiB (64), 75 KiB (128): q, k, v, p; rows padded so that no access conflicts (see SimtF32Tile)
// Shapes      any seq_q, seq_kv below 2^29 (none, and none in sight, included), packed or not, with a window or none;
//             heads (at most 65535) a multiple of kv_heads, any batch; all arrays of elements 16-byte aligned
// Source      Milakov & Gimelshein, "Online normalizer calculation for softmax" (arXiv 1805.02867); tiling after Dao et
//             al., "FlashAttention" (arXiv 2205.14135).  C++17.
#pragma once
#include "kernels/attention/cuda/block.cuh"
#include "kernels/attention/cuda/params.h"
#include "kernels/common/ptx/shared_address.cuh"

namespace assay::simt_f32 {

constexpr int kRows = 4;      // of s, p and o per thread
constexpr int kColumns = 16;  // threads that share a row

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

/// Over the 16 threads of a row.
__device__ __forceinline__ float row_max(float value) {
#pragma unroll
  for (int distance = kColumns / 2; distance > 0; distance /= 2)
    value = fmaxf(value, __shfl_xor_sync(0xffffffff, value, distance));
  return value;
}
__device__ __forceinline__ float row_sum(float value) {
#pragma unroll
  for (int distance = kColumns / 2; distance > 0; distance /= 2) value += __shfl_xor_sync(0xffffffff, value, distance);
  return value;
}

/// s[r][c] = q_row . k_column, of rows first_row + r and columns x + 16 c of the tile.
template <class Shared, int HeadDim, int Columns>
__device__ __forceinline__ void multiply_q_k(float (&s)[kRows][Columns], const Shared& shared, int first_row, int x) {
#pragma unroll
  for (int r = 0; r < kRows; ++r)
#pragma unroll
    for (int c = 0; c < Columns; ++c) s[r][c] = 0;
#pragma unroll 4
  for (int d = 0; d < HeadDim; d += 4) {
    float4 q[kRows], k[Columns];
#pragma unroll
    for (int r = 0; r < kRows; ++r) q[r] = *reinterpret_cast<const float4*>(&shared.q[first_row + r][d]);
#pragma unroll
    for (int c = 0; c < Columns; ++c) k[c] = *reinterpret_cast<const float4*>(&shared.k[x + c * kColumns][d]);
#pragma unroll
    for (int r = 0; r < kRows; ++r)
#pragma unroll
      for (int c = 0; c < Columns; ++c)
        s[r][c] += q[r].x * k[c].x + q[r].y * k[c].y + q[r].z * k[c].z + q[r].w * k[c].w;
  }
}

/// o[r][d] += p_row v, of rows first_row + r; o's element 4 j + e is column 64 j + 4 x + e: whole float4 of v.
template <class Shared, int HeadDim, int Keys>
__device__ __forceinline__ void multiply_p_v(float (&o)[kRows][HeadDim / kColumns], const Shared& shared, int first_row,
                                             int x) {
#pragma unroll 4
  for (int key = 0; key < Keys; ++key) {
    float p[kRows];
#pragma unroll
    for (int r = 0; r < kRows; ++r) p[r] = shared.p[first_row + r][key];
#pragma unroll
    for (int j = 0; j < HeadDim / 64; ++j) {
      const float4 v = *reinterpret_cast<const float4*>(&shared.v[key][j * 64 + x * 4]);
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
        o[r][4 * j] += p[r] * v.x;
        o[r][4 * j + 1] += p[r] * v.y;
        o[r][4 * j + 2] += p[r] * v.z;
        o[r][4 * j + 3] += p[r] * v.w;
      }
    }
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
    multiply_q_k<typename Tile::Shared, HeadDim>(s, shared, first_row, x);
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
    multiply_p_v<typename Tile::Shared, HeadDim, Tile::kKeys>(o, shared, first_row, x);
  }

#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    const int query = block.first_query + first_row + r;
    const float sum = row_sum(l[r]);
    if (query >= block.queries) continue;
    const float inverse = sum == 0 ? 0.f : 1 / sum;  // no key in sight: o = 0, lse = -inf
    float* row = static_cast<float*>(p.o) + q_start + (first_row + r) * q_stride;
#pragma unroll
    for (int j = 0; j < HeadDim / 64; ++j)
      *reinterpret_cast<float4*>(row + j * 64 + x * 4) = make_float4(
          o[r][4 * j] * inverse, o[r][4 * j + 1] * inverse, o[r][4 * j + 2] * inverse, o[r][4 * j + 3] * inverse);
    if (x == 0) lse_row(p, block)[query] = m[r] * 0.693147180559945f + logf(sum);
  }
}

}  // namespace assay::simt_f32
