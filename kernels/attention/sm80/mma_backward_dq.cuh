// mma_sm80's deterministic backward pass: dq by a kernel of its own, each row by one warp in one order.
//
// Algorithm   A block owns 64 queries of one head and walks over the keys that they see, left to right: s = q k^T,
//             p = 2^(s c - lse), dp = do v^T, ds = p (dp - delta), dq += ds k.
// Warps       split the block's rows only (16 each): ds, rounded, is the next product's operand as it stands in the
//             registers, and nothing but copies needs a barrier.
// Pipeline    k has two buffers, v has one: the next k is copied while this tile's s and dp are computed, the next v
//             during ds k.
//
// head_dim         64    96   128   192   256   values as wide, but 128 at 192
// Queries x keys  64 x 64, at 256 64 x 32; 4 warps
// Shared, KiB      40    60    80   104   112   q, do, 2 k, v: of 256 two blocks fit an SM of Hopper, one an A100's
// Accumulators     96   112   128   160   160   of s, dp and dq a thread
// Registers       174   192   219   244   246   at most, from sm_80 to sm_103a, no spills
// Shapes      as mma_backward.cuh
// Prediction  not yet run on a GPU.  Three products with 16 rows a warp: each fragment of k and v serves once. That is
//             256 bytes of shared memory a mma, which take as long as the mma itself on an A100.
// Source      The split of FlashAttention-2's forward pass (Dao, arXiv 2307.08691), applied to dq.  C++17.
#pragma once
#include "kernels/attention/sm80/mma_backward_sequence.cuh"
#include "kernels/attention/sm80/swizzled_operand.cuh"
#include "kernels/common/ptx/shared_address.cuh"

namespace assay::mma_sm80_backward {

/// A thread's two rows.
struct RowStatistics {
  float lse_log2[2], delta[2];
};
__device__ __forceinline__ RowStatistics load_statistics(const Params& p, const Sequence& sequence, int head,
                                                         int first_row) {
  RowStatistics row{};
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int query = first_row + half * 8;
    if (query >= sequence.queries) continue;  // zeros: its p = 2^0 meets do = 0
    const std::int64_t at = sequence.lse + head * p.lse_head_stride + query;
    row.lse_log2[half] = p.lse_log2[at];
    row.delta[half] = p.delta[at];
  }
  return row;
}

/// s becomes ds.
template <int N8>
__device__ __forceinline__ void compute_ds(float (&s)[1][N8][4], const float (&dp)[1][N8][4], const RowStatistics& row,
                                           float scale_log2) {
#pragma unroll
  for (int j = 0; j < N8; ++j)
#pragma unroll
    for (int e = 0; e < 4; ++e)
      s[0][j][e] =
          ptx::exp2_approximate(s[0][j][e] * scale_log2 - row.lse_log2[e / 2]) * (dp[0][j][e] - row.delta[e / 2]);
}

/// dq += ds k.  Two neighbouring n8 tiles of ds, rounded, are one m16 x k16 operand.
template <class Element, int Columns, int N8>
__device__ __forceinline__ void add_ds_k(float (&dq)[1][Columns / 8][4], const float (&ds)[1][N8][4],
                                         const swizzled::View<Columns>& k) {
  swizzled::multiply<Element, N8 / 2>(
      dq,
      [&](std::uint32_t(&r)[4], int, int kk) {
#pragma unroll
        for (int e = 0; e < 4; ++e)
          r[e] = Element::pack(ds[0][2 * kk + e / 2][e % 2 * 2], ds[0][2 * kk + e / 2][e % 2 * 2 + 1]);
      },
      [&](std::uint32_t(&r)[4], int j, int kk) { k.b_columns(r, j, kk); });
}

/// Starts the copy of tile `t` of one head's keys or values, rows of `Columns`.
template <class Tile, int Columns>
__device__ __forceinline__ void copy_keys(std::uint16_t* target, const void* array, const Params& p,
                                          const Sequence& sequence, int head, int t) {
  const std::int64_t row = (sequence.key_row + t * Tile::kKeys) * p.kv_heads + head / p.group;
  swizzled::copy_rows<Columns, Tile::kKeys, Tile::kThreads>(ptx::shared_address(target), array, row * Columns,
                                                            std::int64_t(p.kv_heads) * Columns,
                                                            sequence.keys - t * Tile::kKeys);
}

/// The kernel: one block computes 64 rows of dq.  The grid is (tiles of queries, heads, sequences); the last tile,
/// which under a causal mask sees most keys, starts first.
template <class Element, class Tile>
__device__ __forceinline__ void backward_dq(const Params& p) {
  constexpr int kHeadDim = Tile::kHeadDim, kValueDim = Tile::kValueDim, kN8 = Tile::kKeys / 8;
  auto& shared = ptx::dynamic_smem<typename Tile::Shared>();
  const Sequence sequence = locate_sequence(p, int(blockIdx.z));
  const int head = int(blockIdx.y), first_query = int(gridDim.x - 1 - blockIdx.x) * Tile::kQueries;
  const int queries = min(sequence.queries - first_query, Tile::kQueries);
  if (queries <= 0) return;  // the grid is made for the longest sequence
  const int lane = int(threadIdx.x) % 32, warp_row = int(threadIdx.x) / 32 * 16, row = warp_row + lane / 4;
  const RowStatistics statistics = load_statistics(p, sequence, head, first_query + row);

  const int first_end = sequence.visible_end(p, first_query), last_end = first_end + (queries - 1) * p.causal;
  const int tiles = (max(0, last_end) + Tile::kKeys - 1) / Tile::kKeys;
  int tile = max(0, first_end - p.window) / Tile::kKeys;
  const std::int64_t query_row = (sequence.query_row + first_query) * p.heads + head;
  const auto copy_k = [&](int stage, int t) { copy_keys<Tile, kHeadDim>(shared.k[stage], p.k, p, sequence, head, t); };
  const auto copy_v = [&](int t) { copy_keys<Tile, kValueDim>(shared.v, p.v, p, sequence, head, t); };
  if (tile < tiles) {
    swizzled::copy_rows<kHeadDim, Tile::kQueries, Tile::kThreads>(
        ptx::shared_address(shared.q), p.q, query_row * kHeadDim, std::int64_t(p.heads) * kHeadDim, queries);
    swizzled::copy_rows<kValueDim, Tile::kQueries, Tile::kThreads>(
        ptx::shared_address(shared.d_o), p.d_o, query_row * kValueDim, std::int64_t(p.heads) * kValueDim, queries);
    copy_k(0, tile);
    copy_v(tile);
    ptx::cp_async_commit();
  }
  const swizzled::View<kHeadDim> q(ptx::shared_address(shared.q), warp_row, 0),
      first_k(ptx::shared_address(shared.k[0]), 0, 0);
  const swizzled::View<kValueDim> d_o(ptx::shared_address(shared.d_o), warp_row, 0),
      v(ptx::shared_address(shared.v), 0, 0);
  float dq[1][kHeadDim / 8][4];
  swizzled::clear(dq);
#pragma unroll 1
  for (int stage = 0; tile < tiles; ++tile, stage ^= 1) {
    const int first_key = tile * Tile::kKeys;
    const swizzled::View<kHeadDim> k = first_k.moved(std::uint32_t(stage) * sizeof(shared.k[0]));
    float s[1][kN8][4], dp[1][kN8][4];
    ptx::cp_async_wait<0>();
    __syncthreads();  // k and v have landed, and everyone has finished reading the other k
    if (tile + 1 < tiles) copy_k(stage ^ 1, tile + 1);
    ptx::cp_async_commit();
    swizzled::clear(s);
    swizzled::multiply<Element, kHeadDim / 16>(
        s, [&](std::uint32_t(&r)[4], int i, int kk) { q.a_rows(r, i, kk); },
        [&](std::uint32_t(&r)[4], int j, int kk) { k.b_rows(r, j, kk); });
    if (first_key + Tile::kKeys > first_end || first_key < last_end - p.window)
      mask(s, first_end + row * p.causal - first_key - lane % 4 * 2, p.causal, p.window);
    swizzled::clear(dp);
    swizzled::multiply<Element, kValueDim / 16>(
        dp, [&](std::uint32_t(&r)[4], int i, int kk) { d_o.a_rows(r, i, kk); },
        [&](std::uint32_t(&r)[4], int j, int kk) { v.b_rows(r, j, kk); });
    __syncthreads();  // everyone has finished reading v
    if (tile + 1 < tiles) copy_v(tile + 1);
    ptx::cp_async_commit();
    compute_ds(s, dp, statistics, p.scale_log2);
    add_ds_k<Element>(dq, s, k);
  }
  // A warp stages exactly its own 16 rows, which only it has read as q: no other warp is involved.
  swizzled::store_accumulators<Element, kHeadDim, 1>(ptx::shared_address(shared.q), warp_row, 0, dq, p.scale);
  __syncwarp();
  swizzled::store_rows<kHeadDim, 16, 32>(p.dq, (query_row + std::int64_t(warp_row) * p.heads) * kHeadDim,
                                         std::int64_t(p.heads) * kHeadDim, shared.q + warp_row * kHeadDim,
                                         queries - warp_row, lane);
}

}  // namespace assay::mma_sm80_backward
