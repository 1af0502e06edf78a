// Attention forward for bf16 and fp16 on tensor cores (mma.sync), sm_80 and later: FlashAttention-2.
//
// Algorithm   A block owns 128 queries of one head and walks over the keys in tiles, right to left, keeping for each
//             query the maximum m of its scores so far, the sum l of exp(score - m), and o = sum exp(score - m) v.
//             A new maximum rescales l and o.  At the end o / l is the result and m + ln l the log-sum-exp.
// Warps       split the block's rows only (32 each), so a row's scores, probabilities and output never leave the
//             registers of the four lanes (a "quad") that hold it, and no warp waits for another's reduction.
// Right to left  The tiles that need a mask (the diagonal, the ragged end) come first; the rest branch past the mask.
//             (One loop: a second copy of its body for masked tiles cost more registers than there are.)
// Pipeline    k and v have one buffer each: v_n is copied while q k_n^T runs, k_{n-1} while softmax and p v_n run.
// Exponentials  are base 2 with the scale folded in: exp(scale s - scale m) = 2^(s c - m c), one FFMA and one ex2.
//             The rounded m c is used everywhere (p, l, o, lse), so its rounding cancels.
// Row sums    stay partial per thread; the quad adds them once, at the end.
//
// Tile        128 queries x 96 keys (head_dim 64) or x 32 keys (128); 4 warps
// Shared      40 KiB (64), 48 KiB (128): q, k, v.  16-byte chunk c of row r lies at chunk c ^ (r % 8), so that the
//             eight rows of an ldmatrix block, and o's stores, fall into different banks: no conflicts.
// Registers   160 accumulators; 234 to 255 registers a thread from sm_80 to sm_103a, no spills; two blocks an SM
// Shapes      any seq_q, seq_kv below 2^29 (zero keys in sight included), heads (at most 65535) a multiple of kv_heads,
//             any batch; all five arrays 16-byte aligned
// Source      Dao, "FlashAttention-2" (arXiv 2307.08691): split of the work and order of the copies; fewer keys a tile
//             (see MmaSm80Tile).  C++17.
#pragma once
#include "kernels/attention/cuda_block.cuh"
#include "kernels/attention/cuda_params.h"
#include "kernels/common/ptx/convert.cuh"
#include "kernels/common/ptx/cp_async.cuh"
#include "kernels/common/ptx/ldmatrix.cuh"
#include "kernels/common/ptx/mma.cuh"
#include "kernels/common/ptx/shared_address.cuh"

namespace assay::mma_sm80 {

/// What differs between the two element types.
struct Bf16 {
  static __device__ __forceinline__ void mma(float (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                                             std::uint32_t b1) {
    ptx::mma_m16n8k16_bf16(d, a, b0, b1);
  }
  static __device__ __forceinline__ std::uint32_t pack(float low, float high) { return ptx::pack_bf16x2(low, high); }
};
struct F16 {
  static __device__ __forceinline__ void mma(float (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                                             std::uint32_t b1) {
    ptx::mma_m16n8k16_f16(d, a, b0, b1);
  }
  static __device__ __forceinline__ std::uint32_t pack(float low, float high) { return ptx::pack_f16x2(low, high); }
};

/// Byte offset of 16-byte chunk `chunk` of row `row` in a shared tile of HeadDim columns.
template <int HeadDim>
__device__ __forceinline__ std::uint32_t tile_offset(int row, int chunk) {
  return std::uint32_t(row * HeadDim * 2 + ((chunk ^ (row & 7)) << 4));
}

/// Where this lane points ldmatrix for the 16 rows x 16 columns at the origin of a shared tile, as an offset.  Blocks
/// in the order of registers: rows 0-7 | rows 8-15 | the next 8 columns of the same two.
template <int HeadDim>
__device__ __forceinline__ std::uint32_t lane_offset() {
  return tile_offset<HeadDim>(int(threadIdx.x) % 16, int(threadIdx.x) % 32 / 16);
}
/// Its address for the 16 x 16 elements at `row` and `column`, both multiples of 16.  Chunk 2n + c of a row is chunk c
/// XOR 2n, before the swizzle and after.  q, k and v share one lane offset, and the rest is a constant: registers are
/// what this kernel has least of.
template <int HeadDim>
__device__ __forceinline__ std::uint32_t block_address(std::uint32_t tile, std::uint32_t lane_offset, int row,
                                                       int column) {
  return (lane_offset ^ std::uint32_t(column * 2 % 128)) + tile +
         std::uint32_t(column * 2 / 128 * 128 + row * HeadDim * 2);
}

/// Starts the copy of `Rows` rows into a shared tile.  Guarded: rows from `valid_rows` on are not read and become zero
/// (k and q: garbage would do, their scores are masked or not stored; v: 0 * NaN would not).
template <int HeadDim, int Rows, bool Guarded>
__device__ __forceinline__ void copy_tile(std::uint32_t shared, const void* array, std::int64_t first_element,
                                          std::int64_t row_stride, int valid_rows) {
  constexpr int kChunks = HeadDim / 8, kRowsPerPass = MmaSm80Tile<HeadDim>::kThreads / kChunks;
  const int chunk = int(threadIdx.x) % kChunks, first_row = int(threadIdx.x) / kChunks;
  const auto* source = static_cast<const std::uint16_t*>(array) + first_element + first_row * row_stride + chunk * 8;
#pragma unroll
  for (int i = 0; i < Rows / kRowsPerPass; ++i) {
    const int row = first_row + i * kRowsPerPass;
    const bool valid = !Guarded || row < valid_rows;
    ptx::cp_async_16(shared + tile_offset<HeadDim>(row, chunk), valid ? source : array, valid ? 16 : 0);
    source += kRowsPerPass * row_stride;
  }
}

/// The part of the work one thread keeps in registers.  In every array of accumulators, element e of the n8 tile j of
/// the m16 tile i is row 16 i + lane / 4 + 8 (e / 2), column 8 j + 2 (lane % 4) + e % 2 of the warp's 32 rows.
template <int HeadDim>
struct Rows {
  static constexpr int kTiles = MmaSm80Tile<HeadDim>::kWarpTiles;
  float o[kTiles][HeadDim / 8][4];
  float max[kTiles][2];  // of the unscaled scores so far; -inf: no key seen yet
  float sum[kTiles][2];  // of this thread's columns only
};
template <int HeadDim>
using Scores = float[MmaSm80Tile<HeadDim>::kWarpTiles][MmaSm80Tile<HeadDim>::kKeys / 8][4];

template <int HeadDim>
__device__ __forceinline__ void clear(Rows<HeadDim>& rows) {
#pragma unroll
  for (int i = 0; i < Rows<HeadDim>::kTiles; ++i)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      rows.max[i][half] = -INFINITY;
      rows.sum[i][half] = 0;
#pragma unroll
      for (int j = 0; j < HeadDim / 8; ++j) rows.o[i][j][half * 2] = rows.o[i][j][half * 2 + 1] = 0;
    }
}

/// s = q k^T for the warp's 32 queries.
template <class Element, int HeadDim>
__device__ __forceinline__ void multiply_q_k(Scores<HeadDim>& s, std::uint32_t q, std::uint32_t k, std::uint32_t lane) {
  using Tile = MmaSm80Tile<HeadDim>;
#pragma unroll
  for (int i = 0; i < Tile::kWarpTiles; ++i)
#pragma unroll
    for (int j = 0; j < Tile::kKeys / 8; ++j)
#pragma unroll
      for (int e = 0; e < 4; ++e) s[i][j][e] = 0;
#pragma unroll
  for (int kk = 0; kk < HeadDim / 16; ++kk) {
    std::uint32_t a[Tile::kWarpTiles][4];
#pragma unroll
    for (int i = 0; i < Tile::kWarpTiles; ++i) ptx::ldmatrix_x4(a[i], block_address<HeadDim>(q, lane, i * 16, kk * 16));
#pragma unroll
    for (int j = 0; j < Tile::kKeys / 16; ++j) {
      std::uint32_t b[4];  // keys 0-7: b[0], b[2]; keys 8-15: b[1], b[3]
      ptx::ldmatrix_x4(b, block_address<HeadDim>(k, lane, j * 16, kk * 16));
#pragma unroll
      for (int i = 0; i < Tile::kWarpTiles; ++i) {
        Element::mma(s[i][2 * j], a[i], b[0], b[2]);
        Element::mma(s[i][2 * j + 1], a[i], b[1], b[3]);
      }
    }
  }
}

/// Hides the keys that a row must not see.  `limit` is the number of keys that the thread's first row sees from its own
/// first column on; `step` is how many more the next row sees (0: no causal mask, only the keys' end).
template <int HeadDim>
__device__ __forceinline__ void mask(Scores<HeadDim>& s, int limit, int step) {
  using Tile = MmaSm80Tile<HeadDim>;
#pragma unroll
  for (int i = 0; i < Tile::kWarpTiles; ++i)
#pragma unroll
    for (int half = 0; half < 2; ++half)
#pragma unroll
      for (int j = 0; j < Tile::kKeys / 8; ++j)
#pragma unroll
        for (int e = 0; e < 2; ++e)
          if (j * 8 + e >= limit + (i * 16 + half * 8) * step) s[i][j][half * 2 + e] = -INFINITY;
}

/// Takes the tile's maxima into account, rescales what was summed under the old ones, and turns s into probabilities
/// 2^(s c - max c).  A row that has seen no key yet has the maximum -inf, which must not be subtracted from itself.
template <int HeadDim>
__device__ __forceinline__ void softmax(Scores<HeadDim>& s, Rows<HeadDim>& rows, float scale_log2) {
  using Tile = MmaSm80Tile<HeadDim>;
#pragma unroll
  for (int i = 0; i < Tile::kWarpTiles; ++i)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float max = rows.max[i][half];
#pragma unroll
      for (int j = 0; j < Tile::kKeys / 8; ++j) max = fmaxf(max, fmaxf(s[i][j][half * 2], s[i][j][half * 2 + 1]));
      max = fmaxf(max, __shfl_xor_sync(0xffffffff, max, 1));
      max = fmaxf(max, __shfl_xor_sync(0xffffffff, max, 2));
      const float shift = max == -INFINITY ? 0.f : max * scale_log2;
      const float rescale = ptx::exp2_approximate(rows.max[i][half] * scale_log2 - shift);
      rows.max[i][half] = max;
      float sum = rows.sum[i][half] * rescale;
#pragma unroll
      for (int j = 0; j < HeadDim / 8; ++j) {
        rows.o[i][j][half * 2] *= rescale;
        rows.o[i][j][half * 2 + 1] *= rescale;
      }
#pragma unroll
      for (int j = 0; j < Tile::kKeys / 8; ++j)
#pragma unroll
        for (int e = half * 2; e < half * 2 + 2; ++e) {
          s[i][j][e] = ptx::exp2_approximate(s[i][j][e] * scale_log2 - shift);
          sum += s[i][j][e];
        }
      rows.sum[i][half] = sum;
    }
}

/// o += p v.  Two neighbouring n8 tiles of accumulators, rounded, are one m16 x k16 operand: p needs no data movement.
template <class Element, int HeadDim>
__device__ __forceinline__ void multiply_p_v(Rows<HeadDim>& rows, const Scores<HeadDim>& p, std::uint32_t v,
                                             std::uint32_t lane) {
  using Tile = MmaSm80Tile<HeadDim>;
#pragma unroll
  for (int kk = 0; kk < Tile::kKeys / 16; ++kk) {
    std::uint32_t a[Tile::kWarpTiles][4];
#pragma unroll
    for (int i = 0; i < Tile::kWarpTiles; ++i)
#pragma unroll
      for (int r = 0; r < 4; ++r) {
        const float* pair = &p[i][2 * kk + r / 2][r % 2 * 2];
        a[i][r] = Element::pack(pair[0], pair[1]);
      }
#pragma unroll
    for (int j = 0; j < HeadDim / 16; ++j) {
      std::uint32_t b[4];  // v is stored key by key; the operand wants it dimension by dimension: .trans
      ptx::ldmatrix_x4_trans(b, block_address<HeadDim>(v, lane, kk * 16, j * 16));
#pragma unroll
      for (int i = 0; i < Tile::kWarpTiles; ++i) {
        Element::mma(rows.o[i][2 * j], a[i], b[0], b[1]);
        Element::mma(rows.o[i][2 * j + 1], a[i], b[2], b[3]);
      }
    }
  }
}

/// Divides by the row sums and writes o (through shared memory, for 16-byte stores) and lse.
template <class Element, int HeadDim>
__device__ __forceinline__ void store(const AttentionKernelParams& p, const AttentionBlock& block, Rows<HeadDim>& rows,
                                      unsigned char* staging) {
  using Tile = MmaSm80Tile<HeadDim>;
  constexpr int kChunks = HeadDim / 8, kWarpRows = 16 * Tile::kWarpTiles;
  const int lane = int(threadIdx.x) % 32, warp_row = int(threadIdx.x) / 32 * kWarpRows;
  float* lse = p.lse + (std::int64_t(block.batch) * p.heads + block.head) * p.seq_q;
#pragma unroll
  for (int i = 0; i < Tile::kWarpTiles; ++i)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float sum = rows.sum[i][half];
      sum += __shfl_xor_sync(0xffffffff, sum, 1);
      sum += __shfl_xor_sync(0xffffffff, sum, 2);
      const float inverse = sum == 0 ? 0.f : 1 / sum;  // no key in sight: o = 0, lse = -inf (max is -inf, log(0) too)
      const int row = warp_row + i * 16 + half * 8 + lane / 4;
      if (lane % 4 == 0 && block.first_query + row < p.seq_q)
        lse[block.first_query + row] = rows.max[i][half] * p.scale_log2 * 0.693147180559945f + logf(sum);
#pragma unroll
      for (int j = 0; j < kChunks; ++j)
        *reinterpret_cast<std::uint32_t*>(staging + tile_offset<HeadDim>(row, j) + lane % 4 * 4) =
            Element::pack(rows.o[i][j][half * 2] * inverse, rows.o[i][j][half * 2 + 1] * inverse);
    }
  __syncwarp();  // a warp stages exactly its own 32 rows, which only it has read as q: no other warp is involved
  std::uint16_t* o = static_cast<std::uint16_t*>(p.o);
#pragma unroll
  for (int i = 0; i < kWarpRows * kChunks / 32; ++i) {
    const int row = warp_row + (i * 32 + lane) / kChunks, chunk = lane % kChunks;
    if (block.first_query + row >= p.seq_q) continue;
    const std::int64_t index =
        ((std::int64_t(block.batch) * p.seq_q + block.first_query + row) * p.heads + block.head) * HeadDim + chunk * 8;
    *reinterpret_cast<uint4*>(o + index) = *reinterpret_cast<const uint4*>(staging + tile_offset<HeadDim>(row, chunk));
  }
}

/// The kernel: one block computes 128 rows of o and lse.
template <class Element, int HeadDim>
__device__ __forceinline__ void attention(const AttentionKernelParams& p) {
  using Tile = MmaSm80Tile<HeadDim>;
  auto& shared = ptx::dynamic_smem<typename Tile::Shared>();
  const std::uint32_t q_tile = ptx::shared_address(shared.q), k_tile = ptx::shared_address(shared.k),
                      v_tile = ptx::shared_address(shared.v), lane = lane_offset<HeadDim>(),
                      q_warp = q_tile + threadIdx.x / 32 * (16 * Tile::kWarpTiles * HeadDim * 2);
  const AttentionBlock block = locate_block(p, Tile::kQueries);
  if (block.batch >= p.batch) return;
  const int queries = min(p.seq_q - block.first_query, Tile::kQueries);
  const std::int64_t q_stride = std::int64_t(p.heads) * HeadDim, kv_stride = std::int64_t(p.kv_heads) * HeadDim;

  // The last query of the block sees the most keys, the first one the fewest.
  const int fewest_keys = p.first_visible + block.first_query * p.visible_step;
  const int most_keys = fewest_keys + (queries - 1) * p.visible_step;
  const int tiles = (max(0, most_keys) + Tile::kKeys - 1) / Tile::kKeys;
  const int unmasked_tiles = max(0, fewest_keys) / Tile::kKeys;  // no query is refused any of their keys
  const int thread_row = int(threadIdx.x) / 32 * 16 * Tile::kWarpTiles + int(threadIdx.x) % 32 / 4;
  const int thread_limit = fewest_keys + thread_row * p.visible_step - int(threadIdx.x) % 4 * 2;

  Rows<HeadDim> rows;
  clear(rows);
  int tile = tiles - 1;
  // First element of the tile being copied; the same in k and v.
  std::int64_t kv_element =
      (std::int64_t(block.batch) * p.seq_kv + tile * Tile::kKeys) * kv_stride + block.head / p.group * HeadDim;
  if (tiles > 0) {
    const std::int64_t q_element =
        (std::int64_t(block.batch) * p.seq_q + block.first_query) * q_stride + block.head * HeadDim;
    copy_tile<HeadDim, Tile::kQueries, true>(q_tile, p.q, q_element, q_stride, queries);
    copy_tile<HeadDim, Tile::kKeys, true>(k_tile, p.k, kv_element, kv_stride, p.seq_kv - tile * Tile::kKeys);
    ptx::cp_async_commit();
  }
#pragma unroll 1
  for (; tile >= 0; --tile) {
    const int first_key = tile * Tile::kKeys;
    Scores<HeadDim> s;
    ptx::cp_async_wait<0>();
    __syncthreads();  // k has landed for everyone, and everyone has finished reading the previous v
    copy_tile<HeadDim, Tile::kKeys, true>(v_tile, p.v, kv_element, kv_stride, p.seq_kv - first_key);
    ptx::cp_async_commit();
    multiply_q_k<Element, HeadDim>(s, q_warp, k_tile, lane);
    if (tile >= unmasked_tiles) mask<HeadDim>(s, thread_limit - first_key, p.visible_step);
    ptx::cp_async_wait<0>();
    __syncthreads();  // v has landed for everyone, and everyone has finished reading k
    kv_element -= Tile::kKeys * kv_stride;
    if (tile > 0) copy_tile<HeadDim, Tile::kKeys, false>(k_tile, p.k, kv_element, kv_stride, Tile::kKeys);
    ptx::cp_async_commit();
    softmax<HeadDim>(s, rows, p.scale_log2);
    multiply_p_v<Element, HeadDim>(rows, s, v_tile, lane);
  }
  store<Element, HeadDim>(p, block, rows, reinterpret_cast<unsigned char*>(shared.q));
}

}  // namespace assay::mma_sm80
