// Attention backward in fp32 on ordinary cores: every product rounded as IEEE fp32, the same bits every time.
//
// Algorithm   Three launches.
//             delta    delta_i = sum_c o_ic do_ic, once for all who need it.
//             keys     A block owns 64 keys of one kv head and walks over the queries of all query heads of its group:
//                      dp = v do^T, s = k q^T, p = exp(scale s - lse), ds = p (dp - delta); dv += p do, dk += ds q.
//             queries  A block owns 64 queries of one head and walks over the keys they see: dp = do v^T, s = q k^T,
//                      ds again, dq += ds k.
//             dq and dk take the scale at the end.
// Why twice   Of dq, dk and dv each element has one owner, who adds in one order.  That costs s and dp a second time: 7
//             products instead of 5, 40 % more FLOP than counted.  dq by atomic additions would spare them, and change
//             its last bits from run to run; by parts that are added in order it would take as many copies of dq as
//             there are parts.
// Threads     16 x 16, four owned rows each (simt_f32_products.cuh), in both kernels: keys is queries with the roles
//             exchanged.  So p and ds of a row are written and read by one half warp: they need no block-wide barrier,
//             and their transposes are never taken.
// Pipeline    Copies by cp.async into single buffers, each beside a product that does not read it.  keys: the next do
//             beside ds q, q beside v do^T.  queries: the next v beside q k^T and ds k, k beside do v^T.  Three
//             barriers a tile in keys, two in queries.
// Rows beyond Copies past a sequence's end bring zeros.  Queries there have lse = +infinity, so that their p is 0; keys
//             there are masked: with k = 0 p would be exp(-lse), which overflows where lse < -88, and times k = 0 is
//             NaN.
//
// head_dim         64    96   128
// Tile        64 owned x 64 walked; 256 threads
// Shared, KiB      85   117   149   q, do, k, v, p: an A100 has 163, so one block an SM (H100: two at 64); sm_86, sm_89
//                                   and sm_120 have 99: they take 64 alone
// Sums             64    80    96   of s, dp, dk and dv a thread (queries: 48, 56, 64)
// Registers        128   204   224   at most, from sm_80 to sm_103a, no spills (queries: 128, 168, 168)
// Shapes      as forward's (simt_f32.cuh): any lengths below 2^29, packed or not, zero included; windows; all arrays of
//             elements 16-byte aligned
// Prediction  not yet run on a GPU.  A pair of tiles at head_dim 128 is 7 x 524288 FMA: 28672 cycles of the 128 lanes
//             of an H100's SM.  Of s and dp four elements of the width are 8 16-byte reads a thread for 64 FMA, 12 to
//             32 cycles of shared memory a warp beside 16 of FMA; of dk, dv and dq four terms are 12 for 128, 20 to 48
//             beside 32 (the lower figures where what 16 threads read alike counts once).  So FMA may take all of the
//             time or, at the upper figures, 56 % of it: by the 5 products counted 71 to 40 % of the rate, 48 to 27
//             TFLOP/s on an H100 at 1.98 GHz.  An A100 has half the lanes, with the same shared memory, and is bound by
//             FMA either way: at most 14 TFLOP/s.
// Source      Formulas: Dao et al., "FlashAttention" (arXiv 2205.14135), appendix B.4; owners of rows and of columns in
//             kernels of their own: as mma_sm80's deterministic form.  The exchange of roles is ours.  C++17.
#pragma once
#include "kernels/attention/cuda/block.cuh"
#include "kernels/attention/cuda/simt_f32_backward_params.h"
#include "kernels/attention/cuda/simt_f32_products.cuh"
#include "kernels/common/ptx/cp_async.cuh"
#include "kernels/common/ptx/shared_address.cuh"

namespace assay::simt_f32_backward {

using Params = AttentionSimtF32BackwardParams;
using simt_f32::add_product;
using simt_f32::kColumns;
using simt_f32::kRows;
using simt_f32::load_columns;
using simt_f32::multiply_rows;
using simt_f32::store_columns;

constexpr int kOwn = 64 / kColumns;  // columns of s and dp a thread

/// Starts the copy of 64 rows of `HeadDim` floats, `row_stride` apart from element `first` of `array` on; rows from
/// `valid` on become zero.
template <int HeadDim>
__device__ __forceinline__ void copy_rows(float (&shared)[64][HeadDim + 4], const void* array, std::int64_t first,
                                          std::int64_t row_stride, int valid) {
  // Threads side by side copy this many vectors of a row: the largest power of two that divides one.
  constexpr int kVectors = HeadDim / 4, kPassVectors = kVectors & -kVectors;
  constexpr int kPassRows = SimtF32BackwardTile<HeadDim>::kThreads / kPassVectors;
  const int column = int(threadIdx.x) % kPassVectors * 4, first_row = int(threadIdx.x) / kPassVectors;
  const float* source = static_cast<const float*>(array) + first + first_row * row_stride + column;
#pragma unroll
  for (int row = first_row; row < 64; row += kPassRows) {
    const bool inside = row < valid;
#pragma unroll
    for (int c = 0; c < HeadDim; c += kPassVectors * 4)
      ptx::cp_async_16(ptx::shared_address(&shared[row][column + c]), inside ? source + c : array, inside ? 16 : 0);
    source += kPassRows * row_stride;
  }
}

/// Waits until this thread's copies have landed; the barrier behind it says so of all threads'.
__device__ __forceinline__ void wait_for_copies() {
  ptx::cp_async_wait<0>();
  __syncthreads();
}

/// What a query's probabilities and their gradients need of it.
struct QueryStatistics {
  float lse_log2, delta;
};
/// `first` is where the statistics of the sequence's query 0 are.  A query that there is not has p = 0.
__device__ __forceinline__ QueryStatistics load_statistics(const Params& p, std::int64_t first, int query,
                                                           int queries) {
  if (query >= queries) return {INFINITY, 0};
  return {p.forward.lse[first + query] * 1.44269504088896f, p.delta[first + query]};  // log2(e)
}

/// p = 2^(s c - lse log2(e)) of a key that the query sees, else 0: a query that sees none has lse = -infinity.
__device__ __forceinline__ float probability(float s, float scale_log2, float lse_log2, bool visible) {
  return visible ? exp2f(s * scale_log2 - lse_log2) : 0.f;
}

/// The kernel before the others: a block has 64 queries of one head.
template <int HeadDim>
__device__ __forceinline__ void sum_delta(const Params& params) {
  const AttentionKernelParams& p = params.forward;
  const int x = int(threadIdx.x) % kColumns, first_row = int(threadIdx.x) / kColumns * kRows;
  const AttentionBlock block = locate_block(p, SimtF32BackwardTile<HeadDim>::kQueries);
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    const int query = block.first_query + first_row + r;
    float o[HeadDim / kColumns] = {}, d_o[HeadDim / kColumns] = {}, delta = 0;
    if (query < block.queries) {
      const std::int64_t row = ((block.query_row + query) * p.heads + block.head) * HeadDim;
      load_columns<HeadDim>(o, static_cast<const float*>(p.o) + row, x);
      load_columns<HeadDim>(d_o, static_cast<const float*>(params.d_o) + row, x);
    }
#pragma unroll
    for (int d = 0; d < HeadDim / kColumns; ++d) delta += o[d] * d_o[d];
    delta = simt_f32::row_sum(delta);
    if (x == 0 && query < block.queries) params.delta[lse_offset(p, block, block.head) + query] = delta;
  }
}

/// Tiles of queries that see any of `keys` keys from `first_key` on.
struct QueryTiles {
  int first, end;
};
template <int Queries>
__device__ __forceinline__ QueryTiles seeing_tiles(const AttentionKernelParams& p, const AttentionBlock& block,
                                                   int first_key, int keys) {
  const int ahead = block.keys - block.queries;  // query i stands at position i + ahead
  const int begin = p.causal ? max(0, first_key - ahead) : 0;
  const int end = p.causal ? min(block.queries, first_key + keys - 1 - ahead + p.window) : block.queries;
  return {begin / Queries, end > begin ? (end + Queries - 1) / Queries : begin / Queries};
}

/// Where the walk over a group's query heads and their tiles stands.
struct Step {
  int head, tile;
  __device__ __forceinline__ Step next(const QueryTiles& tiles) const {
    return tile + 1 < tiles.end ? Step{head, tile + 1} : Step{head + 1, tiles.first};
  }
};

/// s and dp of a tile of keys (rows, from `first_key` on) and queries (columns) become p and ds.
__device__ __forceinline__ void weigh_keys(float (&s)[kRows][kOwn], float (&dp)[kRows][kOwn], const Params& params,
                                           const AttentionBlock& block, int first_key, Step step, int x) {
  const AttentionKernelParams& p = params.forward;
  const std::int64_t statistics = lse_offset(p, block, step.head);
#pragma unroll
  for (int c = 0; c < kOwn; ++c) {
    const int query = step.tile * 64 + x + c * kColumns;
    const QueryStatistics of = load_statistics(params, statistics, query, block.queries);
    const int end = visible_end(p, block, query) - first_key;  // counted from the thread's first row
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      s[r][c] = probability(s[r][c], p.scale_log2, of.lse_log2, r < end && r >= end - p.window);
      dp[r][c] = s[r][c] * (dp[r][c] - of.delta);
    }
  }
}

/// A thread's rows and columns of p or ds to shared memory.
template <int Row>
__device__ __forceinline__ void store_weights(float (&shared)[64][Row], const float (&weights)[kRows][kOwn],
                                              int first_row, int x) {
#pragma unroll
  for (int r = 0; r < kRows; ++r)
#pragma unroll
    for (int c = 0; c < kOwn; ++c) shared[first_row + r][x + c * kColumns] = weights[r][c];
  __syncwarp();  // a row is written and read by one half warp
}

/// One block computes 64 rows of dk and dv.  The grid is made for the longest sequence; the first tile of keys, which
/// under a causal mask most queries see, starts first.
template <int HeadDim>
__device__ __forceinline__ void backward_keys(const Params& params) {
  using Tile = SimtF32BackwardTile<HeadDim>;
  const AttentionKernelParams& p = params.forward;
  auto& shared = ptx::dynamic_smem<typename Tile::Shared>();
  const int x = int(threadIdx.x) % kColumns, first_row = int(threadIdx.x) / kColumns * kRows;
  int tile;
  const AttentionBlock block = locate_sequence(p, params.key_tiles, tile);  // its head: of k and v
  const int first_key = tile * Tile::kKeys, keys = min(block.keys - first_key, Tile::kKeys);
  if (keys <= 0) return;

  // q, do [queries, heads, head_dim];  k, v, dk, dv [keys, kv_heads, head_dim]
  const std::int64_t q_stride = std::int64_t(p.heads) * HeadDim, kv_stride = std::int64_t(p.kv_heads) * HeadDim;
  const std::int64_t kv_start = (block.key_row + first_key) * kv_stride + block.head * HeadDim;
  const auto copy_queries = [&](float(&target)[Tile::kQueries][Tile::kRow], const void* array, Step step) {
    const int first_query = step.tile * Tile::kQueries;
    copy_rows<HeadDim>(target, array, (block.query_row + first_query) * q_stride + step.head * HeadDim, q_stride,
                       block.queries - first_query);
    ptx::cp_async_commit();
  };

  const QueryTiles tiles = seeing_tiles<Tile::kQueries>(p, block, first_key, keys);
  int left = (tiles.end - tiles.first) * p.group;
  Step step{block.head * p.group, tiles.first};
  if (left > 0) {
    copy_rows<HeadDim>(shared.k, p.k, kv_start, kv_stride, keys);
    copy_rows<HeadDim>(shared.v, p.v, kv_start, kv_stride, keys);
    copy_queries(shared.d_o, params.d_o, step);
  }
  float dk[kRows][HeadDim / kColumns] = {}, dv[kRows][HeadDim / kColumns] = {};
#pragma unroll 1
  for (; left > 0; --left) {
    float s[kRows][kOwn], dp[kRows][kOwn];
    wait_for_copies();  // do has landed, at first k and v too, and everyone has finished with q
    copy_queries(shared.q, p.q, step);
    multiply_rows<HeadDim, Tile::kUnroll>(dp, shared.v, shared.d_o, first_row, x);
    wait_for_copies();  // q has landed
    multiply_rows<HeadDim, Tile::kUnroll>(s, shared.k, shared.q, first_row, x);
    weigh_keys(s, dp, params, block, first_key + first_row, step, x);
    store_weights(shared.weights, s, first_row, x);
    add_product<HeadDim>(dv, shared.weights, shared.d_o, first_row, x);
    __syncthreads();  // everyone has finished with do, and each half warp with p
    step = step.next(tiles);
    if (left > 1) copy_queries(shared.d_o, params.d_o, step);
    store_weights(shared.weights, dp, first_row, x);
    add_product<HeadDim>(dk, shared.weights, shared.q, first_row, x);
  }

#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    if (first_row + r >= keys) continue;
    const std::int64_t row = kv_start + (first_row + r) * kv_stride;
    store_columns<HeadDim>(static_cast<float*>(params.dk) + row, dk[r], params.scale, x);
    store_columns<HeadDim>(static_cast<float*>(params.dv) + row, dv[r], 1, x);
  }
}

/// One block computes 64 rows of dq.
template <int HeadDim>
__device__ __forceinline__ void backward_queries(const Params& params) {
  using Tile = SimtF32BackwardTile<HeadDim>;
  const AttentionKernelParams& p = params.forward;
  auto& shared = ptx::dynamic_smem<typename Tile::Shared>();
  const int x = int(threadIdx.x) % kColumns, first_row = int(threadIdx.x) / kColumns * kRows;
  const AttentionBlock block = locate_block(p, Tile::kQueries);
  if (block.first_query >= block.queries) return;
  const int queries = min(block.queries - block.first_query, Tile::kQueries);

  // q, do, dq [queries, heads, head_dim];  k, v [keys, kv_heads, head_dim]
  const std::int64_t q_stride = std::int64_t(p.heads) * HeadDim, kv_stride = std::int64_t(p.kv_heads) * HeadDim;
  const std::int64_t q_start = (block.query_row + block.first_query) * q_stride + block.head * HeadDim;
  const std::int64_t kv_start = block.key_row * kv_stride + block.head / p.group * HeadDim;
  const auto copy_keys = [&](float(&target)[Tile::kKeys][Tile::kRow], const void* array, int first_key) {
    copy_rows<HeadDim>(target, array, kv_start + first_key * kv_stride, kv_stride, block.keys - first_key);
    ptx::cp_async_commit();
  };

  const int block_end = visible_end(p, block, block.first_query);  // of what the block's first query sees
  const KeyTiles tiles = key_tiles<Tile::kKeys>(p, block_end, queries);
  const int last_key = tiles.end * Tile::kKeys;  // behind the last tile
  int first_key = tiles.begin * Tile::kKeys;
  if (first_key < last_key) {
    copy_rows<HeadDim>(shared.q, p.q, q_start, q_stride, queries);
    copy_rows<HeadDim>(shared.d_o, params.d_o, q_start, q_stride, queries);
    copy_keys(shared.v, p.v, first_key);
  }
  float dq[kRows][HeadDim / kColumns] = {};
#pragma unroll 1
  for (; first_key < last_key; first_key += Tile::kKeys) {
    float s[kRows][kOwn], dp[kRows][kOwn];
    wait_for_copies();  // v has landed, at first q and do too, and everyone has finished with k and ds
    copy_keys(shared.k, p.k, first_key);
    multiply_rows<HeadDim, Tile::kUnroll>(dp, shared.d_o, shared.v, first_row, x);
    wait_for_copies();  // k has landed, and everyone has finished with v
    if (first_key + Tile::kKeys < last_key) copy_keys(shared.v, p.v, first_key + Tile::kKeys);
    multiply_rows<HeadDim, Tile::kUnroll>(s, shared.q, shared.k, first_row, x);
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const int end = block_end + (first_row + r) * p.causal - first_key;  // of what the row sees of this tile
      const QueryStatistics of =
          load_statistics(params, lse_offset(p, block, block.head), block.first_query + first_row + r, block.queries);
#pragma unroll
      for (int c = 0; c < kOwn; ++c) {
        const int key = x + c * kColumns;
        const bool visible = key < end && key >= end - p.window;
        s[r][c] = probability(s[r][c], p.scale_log2, of.lse_log2, visible) * (dp[r][c] - of.delta);
      }
    }
    store_weights(shared.weights, s, first_row, x);
    add_product<HeadDim>(dq, shared.weights, shared.k, first_row, x);
  }

#pragma unroll
  for (int r = 0; r < kRows; ++r)
    if (first_row + r < queries)
      store_columns<HeadDim>(static_cast<float*>(params.dq) + q_start + (first_row + r) * q_stride, dq[r], params.scale,
                             x);
}

}  // namespace assay::simt_f32_backward
