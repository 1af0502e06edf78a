// Attention forward for bf16 and fp16 on tensor cores (mma.sync), sm_80 and later: FlashAttention-2.
//
// Algorithm   A block owns 128 queries of one head and walks over the keys in tiles, right to left, keeping for each
//             query the maximum m of its scores so far, the sum l of exp(score - m), and o = sum exp(score - m) v.
//             A new maximum rescales l and o.  At the end o / l is the result and m + ln l the log-sum-exp.
// Warps       split the block's rows only (32 each; 16 at head_dim 256), so a row's scores, probabilities and output
//             never leave the registers of the four lanes (a "quad") that hold it, and no warp waits for another's
//             reduction.
// Right to left  The tiles that the diagonal or the sequence's ragged end cuts come first, those that a sliding
//             window's left edge cuts come last, and those outside the window not at all; the rest branch past both
//             masks.  (One loop: a second copy of its body for masked tiles cost more registers than there are.)
// Packed      sequences share the grid of the longest: a block past its own sequence's end leaves.  Where a sequence
//             lies is read from global memory at the start and again at the end, and not kept in registers meanwhile.
// Pipeline    k and v have one buffer each: v_n is copied while q k_n^T runs, k_{n-1} while softmax and p v_n run.
// Exponentials  are base 2 with the scale folded in: exp(scale s - scale m) = 2^(s c - m c), one FFMA and one ex2.
//             The rounded m c is used everywhere (p, l, o, lse), so its rounding cancels.
// Rescaling   of o is skipped where no row of the warp has a new maximum, which soon is most tiles: times 1 to the bit.
// Row sums    stay partial per thread; the quad adds them once, at the end.
//
// head_dim       64    96   128   192   256   values as wide as keys, but 128 at 192
// Keys a tile    96    64    32    32    32   of 128 queries
// Warps           4     4     4     4     8
// Shared, KiB    40    48    48    68    96   q, k, v.  16-byte chunk c of row r lies at chunk c ^ (r % 8), or alike at
//                                             96, so that the eight rows of an ldmatrix block, and o's stores, fall
//                                             into different banks: no conflicts
// Registers     255   252   255   255   241   at most, from sm_80 to sm_103a, without spills; 144 to 160 accumulators
// Blocks an SM    2     2     2     2     1   (100 KiB an SM, sm_86 and sm_89: 1 at 192)
// Cost        Predicted, not yet run on a GPU.  Cycles of an A100's SM for a tile, from the loop's SASS:
//   mma        1536  1536  1024  1280  2048   8 cycles each on one of four tensor cores
//   shared     1088  1152   896  1184  2816   ldmatrix and copies, 128 bytes a cycle
//   ex2         800   544   288   288   288   4 lanes a cycle on each quarter of an SM
//             mma bounds it, save at 256, where warps of 16 rows read k and v twice as often: 73 % of the peak at most.
//             Hopper's mma.sync takes half the cycles at best: shared memory is then the bound everywhere.
// Shapes      any seq_q, seq_kv below 2^29 (none, and none in sight, included), heads (at most 65535) a multiple of
//             kv_heads, any batch; all arrays of elements 16-byte aligned; indices have 64 bits
// Source      Dao, "FlashAttention-2" (arXiv 2307.08691): split of the work and order of the copies; fewer keys a tile
//             (see MmaSm80Tile).  C++17.
#pragma once
#include "kernels/attention/cuda/block.cuh"
#include "kernels/attention/cuda/params.h"
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

/// A tile in shared memory, rows of `Columns` 16-bit elements.  16-byte chunk c of row r lies at chunk c ^ (r % 8); at
/// 96 columns, where neighbouring rows start 16 banks apart and rows end half way through eight chunks, at c ^ (r / 2 %
/// 4).
template <int Columns>
struct SharedRows {
  static constexpr int kBytes = Columns * 2, kChunks = Columns / 8;
  static constexpr int kSwizzleBytes = kBytes % 128 == 0 ? 128 : 64;  // chunks change places within these
  // Lanes side by side copy this many chunks of a row: the largest power of two that divides a row.
  static constexpr int kPassChunks = kChunks & -kChunks;

  /// Byte offset of chunk `chunk` of row `row`.
  static __device__ __forceinline__ std::uint32_t offset(int row, int chunk) {
    return std::uint32_t(row * kBytes + ((chunk ^ (kSwizzleBytes == 128 ? row & 7 : row >> 1 & 3)) << 4));
  }
  /// Where this lane points ldmatrix for the 16 rows x 16 columns at the tile's origin, as an offset.  Blocks in the
  /// order of registers: rows 0-7 | rows 8-15 | the next 8 columns of the same two; RowsLast: rows 0-7 | their next 8
  /// columns | rows 8-15 and theirs.  A product's second operand is a pair of neighbouring registers: any other pair
  /// costs two moves.
  template <bool RowsLast = false>
  static __device__ __forceinline__ std::uint32_t lane_offset() {
    const int lane = int(threadIdx.x) % 32;
    return RowsLast ? offset(lane % 8 + lane / 16 * 8, lane / 8 % 2) : offset(lane % 16, lane / 16);
  }
  /// Its address for the 16 x 16 elements at `row` and `column`, both multiples of 16.  Chunk 2n + c of a row is chunk
  /// c XOR 2n, before the swizzle and after.  The lane offset is computed once and the rest is a constant: registers
  /// are what this kernel has least of.
  static __device__ __forceinline__ std::uint32_t block_address(std::uint32_t tile, std::uint32_t lane_offset, int row,
                                                                int column) {
    return (lane_offset ^ std::uint32_t(column * 2 % kSwizzleBytes)) + tile +
           std::uint32_t(column * 2 / kSwizzleBytes * kSwizzleBytes + row * kBytes);
  }
};

/// Starts the copy of `Rows` rows into a shared tile.  Guarded: rows from `valid_rows` on are not read and become zero
/// (k and q: garbage would do, their scores are masked or not stored; v: 0 * NaN would not).
template <class Tile, int Columns, int Rows, bool Guarded>
__device__ __forceinline__ void copy_tile(std::uint32_t shared, const void* array, std::int64_t first_element,
                                          std::int64_t row_stride, int valid_rows) {
  using Layout = SharedRows<Columns>;
  constexpr int kPassChunks = Layout::kPassChunks, kPassRows = Tile::kThreads / kPassChunks;
  static_assert(Rows % kPassRows == 0, "whole passes");
  const int chunk = int(threadIdx.x) % kPassChunks, first_row = int(threadIdx.x) / kPassChunks;
  const auto* source = static_cast<const std::uint16_t*>(array) + first_element + first_row * row_stride + chunk * 8;
#pragma unroll
  for (int i = 0; i < Rows / kPassRows; ++i) {
    const int row = first_row + i * kPassRows;
    const bool valid = !Guarded || row < valid_rows;
#pragma unroll
    for (int c = 0; c < Layout::kChunks; c += kPassChunks)
      ptx::cp_async_16(shared + Layout::offset(row, chunk) + c * 16, valid ? source + c * 8 : array, valid ? 16 : 0);
    source += kPassRows * row_stride;
  }
}

/// The part of the work one thread keeps in registers.  In every array of accumulators, element e of the n8 tile j of
/// the m16 tile i is row 16 i + lane / 4 + 8 (e / 2), column 8 j + 2 (lane % 4) + e % 2 of the warp's rows.
template <class Tile>
struct Rows {
  static constexpr int kTiles = Tile::kWarpTiles;
  float o[kTiles][Tile::kValueDim / 8][4];
  float max[kTiles][2];  // of the unscaled scores so far; -inf: no key seen yet
  float sum[kTiles][2];  // of this thread's columns only
};
template <class Tile>
using Scores = float[Tile::kWarpTiles][Tile::kKeys / 8][4];

template <class Tile>
__device__ __forceinline__ void clear(Rows<Tile>& rows) {
#pragma unroll
  for (int i = 0; i < Rows<Tile>::kTiles; ++i)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      rows.max[i][half] = -INFINITY;
      rows.sum[i][half] = 0;
#pragma unroll
      for (int j = 0; j < Tile::kValueDim / 8; ++j) rows.o[i][j][half * 2] = rows.o[i][j][half * 2 + 1] = 0;
    }
}

/// s = q k^T for the warp's queries.
template <class Element, class Tile>
__device__ __forceinline__ void multiply_q_k(Scores<Tile>& s, std::uint32_t q, std::uint32_t k, std::uint32_t q_lane,
                                             std::uint32_t k_lane) {
  using Layout = SharedRows<Tile::kHeadDim>;
#pragma unroll
  for (int i = 0; i < Tile::kWarpTiles; ++i)
#pragma unroll
    for (int j = 0; j < Tile::kKeys / 8; ++j)
#pragma unroll
      for (int e = 0; e < 4; ++e) s[i][j][e] = 0;
#pragma unroll
  for (int kk = 0; kk < Tile::kHeadDim / 16; ++kk) {
    std::uint32_t a[Tile::kWarpTiles][4];
#pragma unroll
    for (int i = 0; i < Tile::kWarpTiles; ++i)
      ptx::ldmatrix_x4(a[i], Layout::block_address(q, q_lane, i * 16, kk * 16));
#pragma unroll
    for (int j = 0; j < Tile::kKeys / 16; ++j) {
      std::uint32_t b[4];  // keys 0-7: b[0], b[1]; keys 8-15: b[2], b[3]
      ptx::ldmatrix_x4(b, Layout::block_address(k, k_lane, j * 16, kk * 16));
#pragma unroll
      for (int i = 0; i < Tile::kWarpTiles; ++i) {
        Element::mma(s[i][2 * j], a[i], b[0], b[1]);
        Element::mma(s[i][2 * j + 1], a[i], b[2], b[3]);
      }
    }
  }
}

/// Hides the keys that a row must not see: those from `end` on (After), or those before it.  `end` counts from the
/// thread's first column and is for its first row; the next row's is `step` further.
template <bool After, class Tile>
__device__ __forceinline__ void mask(Scores<Tile>& s, int end, int step) {
#pragma unroll
  for (int i = 0; i < Tile::kWarpTiles; ++i)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row_end = end + (i * 16 + half * 8) * step;
#pragma unroll
      for (int j = 0; j < Tile::kKeys / 8; ++j)
#pragma unroll
        for (int e = 0; e < 2; ++e)
          if (After ? j * 8 + e >= row_end : j * 8 + e < row_end) s[i][j][half * 2 + e] = -INFINITY;
    }
}

/// Takes the tile's maxima into account, rescales what was summed under the old ones, and turns s into probabilities
/// 2^(s c - max c).  A row that has seen no key yet has the maximum -inf, which must not be subtracted from itself.
template <class Tile>
__device__ __forceinline__ void softmax(Scores<Tile>& s, Rows<Tile>& rows, float scale_log2) {
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
      if (__any_sync(0xffffffff, rescale != 1.f))  // the same for all lanes: a branch, no divergence
#pragma unroll
        for (int j = 0; j < Tile::kValueDim / 8; ++j) {
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
template <class Element, class Tile>
__device__ __forceinline__ void multiply_p_v(Rows<Tile>& rows, const Scores<Tile>& p, std::uint32_t v,
                                             std::uint32_t lane) {
  using Layout = SharedRows<Tile::kValueDim>;
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
    for (int j = 0; j < Tile::kValueDim / 16; ++j) {
      std::uint32_t b[4];  // v is stored key by key; the operand wants it dimension by dimension: .trans
      ptx::ldmatrix_x4_trans(b, Layout::block_address(v, lane, kk * 16, j * 16));
#pragma unroll
      for (int i = 0; i < Tile::kWarpTiles; ++i) {
        Element::mma(rows.o[i][2 * j], a[i], b[0], b[1]);
        Element::mma(rows.o[i][2 * j + 1], a[i], b[2], b[3]);
      }
    }
  }
}

/// Divides by the row sums and writes o (through the warp's part of `staging`, for 16-byte stores) and lse.
template <class Element, class Tile>
__device__ __forceinline__ void store(const AttentionKernelParams& p, Rows<Tile>& rows, unsigned char* staging) {
  using Layout = SharedRows<Tile::kValueDim>;
  constexpr int kWarpRows = 16 * Tile::kWarpTiles;
  const AttentionBlock block = locate_block(p, Tile::kQueries);  // again: nothing of it stays in registers meanwhile
  const int lane = int(threadIdx.x) % 32, first_query = block.first_query + int(threadIdx.x) / 32 * kWarpRows;
  float* lse = lse_row(p, block);
#pragma unroll
  for (int i = 0; i < Tile::kWarpTiles; ++i)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float sum = rows.sum[i][half];
      sum += __shfl_xor_sync(0xffffffff, sum, 1);
      sum += __shfl_xor_sync(0xffffffff, sum, 2);
      const float inverse = sum == 0 ? 0.f : 1 / sum;  // no key in sight: o = 0, lse = -inf (max is -inf, log(0) too)
      const int row = i * 16 + half * 8 + lane / 4;
      if (lane % 4 == 0 && first_query + row < block.queries)
        lse[first_query + row] = rows.max[i][half] * p.scale_log2 * 0.693147180559945f + logf(sum);
#pragma unroll
      for (int j = 0; j < Layout::kChunks; ++j)
        *reinterpret_cast<std::uint32_t*>(staging + Layout::offset(row, j) + lane % 4 * 4) =
            Element::pack(rows.o[i][j][half * 2] * inverse, rows.o[i][j][half * 2 + 1] * inverse);
    }
  __syncwarp();  // a warp stages its own rows where its own q was, which only it has read: no other warp is involved
  // o is [queries, heads, value_dim]
  std::uint16_t* o =
      static_cast<std::uint16_t*>(p.o) + ((block.query_row + first_query) * p.heads + block.head) * Tile::kValueDim;
  constexpr int kPassRows = 32 / Layout::kPassChunks;
#pragma unroll
  for (int i = 0; i < kWarpRows / kPassRows; ++i) {
    const int row = i * kPassRows + lane / Layout::kPassChunks;
    if (first_query + row >= block.queries) continue;
#pragma unroll
    for (int c = lane % Layout::kPassChunks; c < Layout::kChunks; c += Layout::kPassChunks)
      *reinterpret_cast<uint4*>(o + std::int64_t(row) * p.heads * Tile::kValueDim + c * 8) =
          *reinterpret_cast<const uint4*>(staging + Layout::offset(row, c));
  }
}

/// The kernel: one block computes 128 rows of o and lse.
template <class Element, class Tile>
__device__ __forceinline__ void attention(const AttentionKernelParams& p) {
  constexpr int kHeadDim = Tile::kHeadDim, kValueDim = Tile::kValueDim, kKeys = Tile::kKeys;
  constexpr int kWarpRows = 16 * Tile::kWarpTiles;
  auto& shared = ptx::dynamic_smem<typename Tile::Shared>();
  const AttentionBlock block = locate_block(p, Tile::kQueries);
  if (block.first_query >= block.queries) return;
  const int warp = int(threadIdx.x) / 32, rows_valid = min(block.queries - block.first_query, Tile::kQueries);
  unsigned char* q_warp = reinterpret_cast<unsigned char*>(shared.q + warp * kWarpRows * kHeadDim);
  const std::uint32_t q_tile = ptx::shared_address(shared.q), k_tile = ptx::shared_address(shared.k),
                      v_tile = ptx::shared_address(shared.v), q_lane = SharedRows<kHeadDim>::lane_offset(),
                      k_lane = SharedRows<kHeadDim>::template lane_offset<true>(),
                      v_lane = SharedRows<kValueDim>::lane_offset();
  const std::int64_t q_stride = std::int64_t(p.heads) * kHeadDim, k_stride = std::int64_t(p.kv_heads) * kHeadDim,
                     v_stride = std::int64_t(p.kv_heads) * kValueDim;

  const int first_row_end = visible_end(p, block, block.first_query);
  const KeyTiles tiles = key_tiles<kKeys>(p, first_row_end, rows_valid);
  // What the thread's first row sees ends here, counted from the thread's first column.
  const int thread_end =
      first_row_end + (warp * kWarpRows + int(threadIdx.x) % 32 / 4) * p.causal - int(threadIdx.x) % 4 * 2;

  Rows<Tile> rows;
  clear(rows);
  int tile = tiles.end - 1;
  // First elements of the tile being copied.
  const int kv_head = block.head / p.group;
  std::int64_t k_element = (block.key_row + tile * kKeys) * k_stride + kv_head * kHeadDim;
  std::int64_t v_element = (block.key_row + tile * kKeys) * v_stride + kv_head * kValueDim;
  if (tiles.begin < tiles.end) {
    const std::int64_t q_element = (block.query_row + block.first_query) * q_stride + block.head * kHeadDim;
    copy_tile<Tile, kHeadDim, Tile::kQueries, true>(q_tile, p.q, q_element, q_stride, rows_valid);
    copy_tile<Tile, kHeadDim, kKeys, true>(k_tile, p.k, k_element, k_stride, block.keys - tile * kKeys);
    ptx::cp_async_commit();
  }
#pragma unroll 1
  for (; tile >= tiles.begin; --tile) {
    const int first_key = tile * kKeys;
    Scores<Tile> s;
    ptx::cp_async_wait<0>();
    __syncthreads();  // k has landed for everyone, and everyone has finished reading the previous v
    copy_tile<Tile, kValueDim, kKeys, true>(v_tile, p.v, v_element, v_stride, block.keys - first_key);
    ptx::cp_async_commit();
    multiply_q_k<Element, Tile>(s, ptx::shared_address(q_warp), k_tile, q_lane, k_lane);
    if (tile >= tiles.unmasked_end) mask<true, Tile>(s, thread_end - first_key, p.causal);
    if (tile < tiles.unmasked_begin) mask<false, Tile>(s, thread_end - p.window - first_key, p.causal);
    ptx::cp_async_wait<0>();
    __syncthreads();  // v has landed for everyone, and everyone has finished reading k
    k_element -= kKeys * k_stride, v_element -= kKeys * v_stride;
    if (tile > tiles.begin) copy_tile<Tile, kHeadDim, kKeys, false>(k_tile, p.k, k_element, k_stride, kKeys);
    ptx::cp_async_commit();
    softmax<Tile>(s, rows, p.scale_log2);
    multiply_p_v<Element, Tile>(rows, s, v_tile, v_lane);
  }
  store<Element, Tile>(p, rows, q_warp);
}

}  // namespace assay::mma_sm80
