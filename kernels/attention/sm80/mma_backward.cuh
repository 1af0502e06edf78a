// Attention backward for bf16 and fp16 on tensor cores (mma.sync), sm_80 and later: FlashAttention-2.
//
// Algorithm   Three launches.  prepare (mma_backward_rows.cuh): delta, lse in base 2, dq_sum = 0.  This kernel: a
//             block owns a tile of keys of one kv head and walks over the queries of all query heads of its group.
//             For each tile of queries it computes again s = q k^T and p = 2^(s c - lse), then dp = do v^T and
//             ds = p (dp - delta), and adds dv += p^T do, dk += ds^T q, dq_sum += ds k.  convert: dq = scale dq_sum,
//             rounded.  dk takes its scale at the end.
// Two forms   Fast: dq_sum collects every block's part with fp32 atomic additions, whose order, and so dq's last bits,
//             differ from run to run.  Deterministic: dq_sum is null, this kernel leaves dq alone, and a kernel of its
//             own (mma_backward_dq.cuh) owns the queries and takes the place of convert.  That computes s and dp
//             a second time: 7 products instead of 5, 40 % more FLOP, but no dq_sum (4 head_dim bytes per query and
//             head) and no additions to it.  Slabs of dq_sum, one for each group of blocks and added in order, would
//             spare the FLOP and take that memory as many times as there are groups.
//             dk and dv have one owner, who adds in one order: the same bits every time in both forms, and query heads
//             of a group are summed in fp32 without atomics.
// Warps       8, for each product arranged so that fragments serve most often: of s, dp 2 x 4, of dk, dv 4 x 2 (256:
//             2 x 4), of dq 4 x 2 (128 and 192: 2 x 4, which at 256 would read a third less, and spill).  p and ds go
//             through shared memory: dk and dv need them transposed.
// Pipeline    q, do, lse and delta have two buffers: the next tile is copied while this one is computed.  Two barriers
//             a tile: one says that copies have landed and that p, ds and the other buffers are free, one that p and
//             ds are complete.  At 256 q and do have one buffer: the next q is copied as soon as dk is done, while dv
//             and dq are computed, the next do behind dv, while dq and the next s are.  Five barriers.
// dq_sum      is in the order of accumulators: each addition of a warp covers 128 consecutive bytes.
// Empty rows  Copies beyond a sequence's queries bring zeros, so that p = 2^0 meets do = 0 and ds = 1 (0 - 0) = 0.
//             Keys beyond its end must be masked: with k = 0 p would be 2^-lse, which overflows where lse < -88, and
//             infinity times k = 0 in ds k is NaN.
//
// head_dim         64    96   128   192   256   values as wide, but 128 at 192
// Queries x keys  128 x 128 at 64, 64 x 128 at 96 and 128, 64 x 64 at 192 and 256
// Shared, KiB     162   129   161   137   145   k, v, q, do, p, ds: one block an SM; sm_86, sm_89 and sm_120 have 99:
//                                               refused
// Accumulators    192   160   192   112   160   of dk, dv, s and dp a thread; dq takes the place of s and dp
// Registers       243   236   255   246   255   at most, from sm_80 to sm_103a, no spills
// Shapes      any lengths below 2^29, packed or not, zero included; windows; at most 65535 heads and sequences; q, k,
//             v, o, do, dq, dk, dv 16-byte aligned.
//             Blocks are as many as tiles of keys times kv heads: short sequences of few kv heads leave SMs idle.
// Prediction  not yet run on a GPU.  A tile at head_dim 128 is 5.2 M multiply-adds: 5120 cycles of an A100's tensor
//             cores; its fragments, p and ds are 620 kB of shared memory: 4850 cycles; its 8192 exponentials take 512
//             cycles, its 8192 additions to dq_sum are 32 KiB of L2 traffic.  With two warps a scheduler and a barrier
//             between the products these overlap in part: about half of peak, as FlashAttention-2 reaches there (150
//             TFLOP/s on an A100, 320 on an H100).  At 96 the same tile takes 3840 cycles of tensor cores and about
//             4300 of shared memory, at 256 5120 and 6000: of the same speed, and somewhat slower.
// Source      Dao, "FlashAttention-2" (arXiv 2307.08691): split of the work, tiles, recomputation.  The order of
//             dq_sum and the walk over a group's query heads are ours.  C++17.
#pragma once
#include "kernels/attention/sm80/mma_backward_sequence.cuh"
#include "kernels/attention/sm80/swizzled_operand.cuh"
#include "kernels/common/ptx/global_access.cuh"
#include "kernels/common/ptx/shared_address.cuh"

namespace assay::mma_sm80_backward {

using swizzled::Accumulators;
using swizzled::View;

/// Tiles of queries that see any of `keys` keys from `first_key` on.
struct QueryTiles {
  int first, end;
};
template <int Queries>
__device__ __forceinline__ QueryTiles seeing_tiles(const Params& p, const Sequence& sequence, int first_key, int keys) {
  const int ahead = sequence.keys - sequence.queries;  // query i stands at position i + ahead
  const int begin = p.causal ? max(0, first_key - ahead) : 0;
  const int end = p.causal ? min(sequence.queries, first_key + keys - 1 - ahead + p.window) : sequence.queries;
  return {begin / Queries, end > begin ? (end + Queries - 1) / Queries : begin / Queries};
}

/// Where the walk over a group's query heads and their tiles stands.
struct Step {
  int head, tile;
  __device__ __forceinline__ void advance(const QueryTiles& tiles) {
    if (++tile < tiles.end) return;
    tile = tiles.first;
    ++head;
  }
};

/// Starts the copy of one step's do into buffer `stage`.
template <class Tile>
__device__ __forceinline__ void copy_d_o(const Params& p, const Sequence& sequence, Step step,
                                         typename Tile::Shared& shared, int stage) {
  const int first = step.tile * Tile::kQueries;
  const std::int64_t row = (sequence.query_row + first) * p.heads + step.head;
  swizzled::copy_rows<Tile::kValueDim, Tile::kQueries, Tile::kThreads>(
      ptx::shared_address(shared.d_o[stage % Tile::kBuffers]), p.d_o, row * Tile::kValueDim,
      std::int64_t(p.heads) * Tile::kValueDim, sequence.queries - first);
}

/// Starts the copies of one step's q, lse and delta into buffer `stage`.
template <class Tile>
__device__ __forceinline__ void copy_q(const Params& p, const Sequence& sequence, Step step,
                                       typename Tile::Shared& shared, int stage) {
  const int first = step.tile * Tile::kQueries, valid = sequence.queries - first;
  const std::int64_t row = (sequence.query_row + first) * p.heads + step.head;
  swizzled::copy_rows<Tile::kHeadDim, Tile::kQueries, Tile::kThreads>(
      ptx::shared_address(shared.q[stage % Tile::kBuffers]), p.q, row * Tile::kHeadDim,
      std::int64_t(p.heads) * Tile::kHeadDim, valid);
  // The first kQueries threads copy lse, the next ones delta: four bytes each, since rows may start anywhere.
  const int query = int(threadIdx.x) % Tile::kQueries;
  if (int(threadIdx.x) >= 2 * Tile::kQueries) return;
  const bool is_lse = int(threadIdx.x) < Tile::kQueries;
  const float* source = is_lse ? p.lse_log2 : p.delta;
  float* target = is_lse ? shared.lse_log2[stage] : shared.delta[stage];
  const std::int64_t at = sequence.lse + step.head * p.lse_head_stride + first + query;
  ptx::cp_async_4(ptx::shared_address(target + query), query < valid ? source + at : source, query < valid ? 4 : 0);
}

/// The part of the work one thread keeps: of the block's dk and dv.
template <class Tile>
struct KeyGradients {
  static constexpr int kM16 = Tile::kKeys / Tile::kKeyRows / 16;
  Accumulators<kM16, Tile::kHeadDim / Tile::kKeyColumns / 8> dk;
  Accumulators<kM16, Tile::kValueDim / Tile::kKeyColumns / 8> dv;
};

/// sum = a b^T of a warp's rows of a from `row` on and of b from `column` on.
template <class Element, int Columns, int M16, int N8>
__device__ __forceinline__ void multiply_rows(float (&sum)[M16][N8][4], const std::uint16_t* a, int row,
                                              const std::uint16_t* b, int column) {
  const View<Columns> rows(ptx::shared_address(a), row, 0), columns(ptx::shared_address(b), column, 0);
  swizzled::clear(sum);
  swizzled::multiply<Element, Columns / 16>(
      sum, [&](std::uint32_t(&r)[4], int i, int kk) { rows.a_rows(r, i, kk); },
      [&](std::uint32_t(&r)[4], int j, int kk) { columns.b_rows(r, j, kk); });
}

/// p and ds of a tile of queries, into shared memory, rounded.  With one buffer do lands meanwhile.
template <class Element, class Tile>
__device__ __forceinline__ void compute_p_and_ds(const Params& p, const Sequence& sequence, int first_query,
                                                 int first_key, typename Tile::Shared& shared, int stage) {
  constexpr int kRows = Tile::kQueries / Tile::kScoreRows, kColumns = Tile::kKeys / Tile::kScoreColumns;
  const int warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32;
  const int row = warp % Tile::kScoreRows * kRows, column = warp / Tile::kScoreRows * kColumns;
  float s[kRows / 16][kColumns / 8][4], dp[kRows / 16][kColumns / 8][4];
  multiply_rows<Element, Tile::kHeadDim>(s, shared.q[stage % Tile::kBuffers], row, shared.k, column);
  const int first_end = sequence.visible_end(p, first_query), last_end = first_end + (Tile::kQueries - 1) * p.causal;
  if (first_key + Tile::kKeys > first_end || first_key < last_end - p.window)
    mask(s, first_end + (row + lane / 4) * p.causal - first_key - column - lane % 4 * 2, p.causal, p.window);
#pragma unroll
  for (int i = 0; i < kRows / 16; ++i)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float lse = shared.lse_log2[stage][row + i * 16 + half * 8 + lane / 4];
#pragma unroll
      for (int j = 0; j < kColumns / 8; ++j)
#pragma unroll
        for (int e = half * 2; e < half * 2 + 2; ++e)
          s[i][j][e] = ptx::exp2_approximate(s[i][j][e] * p.scale_log2 - lse);
    }
  swizzled::store_accumulators<Element, Tile::kKeys, 1>(ptx::shared_address(shared.p), row, column / 16, s, 1.f);
  if (Tile::kBuffers == 1) {
    ptx::cp_async_wait<0>();
    __syncthreads();  // do, at first v too, has landed
  }
  multiply_rows<Element, Tile::kValueDim>(dp, shared.d_o[stage % Tile::kBuffers], row, shared.v, column);
#pragma unroll
  for (int i = 0; i < kRows / 16; ++i)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float delta = shared.delta[stage][row + i * 16 + half * 8 + lane / 4];
#pragma unroll
      for (int j = 0; j < kColumns / 8; ++j)
#pragma unroll
        for (int e = half * 2; e < half * 2 + 2; ++e) dp[i][j][e] = s[i][j][e] * (dp[i][j][e] - delta);
    }
  swizzled::store_accumulators<Element, Tile::kKeys, 1>(ptx::shared_address(shared.ds), row, column / 16, dp, 1.f);
}

/// sum += a^T b of a warp's columns of a (keys) and of b.
template <class Element, class Tile, int Columns, int M16, int N8>
__device__ __forceinline__ void multiply_columns(float (&sum)[M16][N8][4], const std::uint16_t* a,
                                                 const std::uint16_t* b) {
  const int warp = int(threadIdx.x) / 32;
  const View<Tile::kKeys> keys(ptx::shared_address(a), 0, warp % Tile::kKeyRows * (M16 * 16));
  const View<Columns> columns(ptx::shared_address(b), 0, warp / Tile::kKeyRows * 16);
  swizzled::multiply<Element, Tile::kQueries / 16>(
      sum, [&](std::uint32_t(&r)[4], int i, int kk) { keys.a_columns(r, i, kk); },
      [&](std::uint32_t(&r)[4], int j, int kk) { columns.b_columns(r, j * Tile::kKeyColumns, kk); });
}

/// dq_sum += ds k for a tile of queries.
template <class Element, class Tile>
__device__ __forceinline__ void add_dq(const Params& p, const Sequence& sequence, Step step,
                                       typename Tile::Shared& shared) {
  constexpr int kRows = Tile::kQueries / Tile::kDqRows, kColumns = Tile::kHeadDim / Tile::kDqColumns;
  const int warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32;
  const int row = warp % Tile::kDqRows * kRows, column_warp = warp / Tile::kDqRows;
  const View<Tile::kKeys> rows(ptx::shared_address(shared.ds), row, 0);
  const View<Tile::kHeadDim> columns(ptx::shared_address(shared.k), 0, column_warp * 16);
  float dq[kRows / 16][kColumns / 8][4];
  swizzled::clear(dq);
  swizzled::multiply<Element, Tile::kKeys / 16>(
      dq, [&](std::uint32_t(&r)[4], int i, int kk) { rows.a_rows(r, i, kk); },
      [&](std::uint32_t(&r)[4], int j, int kk) { columns.b_columns(r, j * Tile::kDqColumns, kk); });
#pragma unroll
  for (int i = 0; i < kRows / 16; ++i) {
    const int query = step.tile * Tile::kQueries + row + i * 16;
    if (query >= sequence.queries) break;  // there is no such block
    float* sum = dq_block<Tile::kHeadDim>(p, sequence, query / kDqBlock, step.head) + lane;
#pragma unroll
    for (int j = 0; j < kColumns / 8; ++j)
#pragma unroll
      for (int e = 0; e < 4; ++e)
        ptx::add_global(sum + (swizzled::n8_chunk<Tile::kDqColumns>(column_warp, j) * 4 + e) * 32, dq[i][j][e]);
  }
}

/// Writes the block's dk and dv through the shared memory that k and v no longer need.
template <class Element, class Tile>
__device__ __forceinline__ void store_key_gradients(const Params& p, const Sequence& sequence, int head_kv,
                                                    int first_key, KeyGradients<Tile>& sums,
                                                    typename Tile::Shared& shared) {
  constexpr int kHeadDim = Tile::kHeadDim, kValueDim = Tile::kValueDim;
  const int warp = int(threadIdx.x) / 32, keys = sequence.keys - first_key;
  const int key = warp % Tile::kKeyRows * (KeyGradients<Tile>::kM16 * 16), column_warp = warp / Tile::kKeyRows;
  __syncthreads();  // everyone has finished reading k
  swizzled::store_accumulators<Element, kHeadDim, Tile::kKeyColumns>(ptx::shared_address(shared.k), key, column_warp,
                                                                     sums.dk, p.scale);
  swizzled::store_accumulators<Element, kValueDim, Tile::kKeyColumns>(ptx::shared_address(shared.v), key, column_warp,
                                                                      sums.dv, 1.f);
  __syncthreads();  // dk and dv are complete
  const std::int64_t row = (sequence.key_row + first_key) * p.kv_heads + head_kv;
  swizzled::store_rows<kHeadDim, Tile::kKeys, Tile::kThreads>(p.dk, row * kHeadDim, std::int64_t(p.kv_heads) * kHeadDim,
                                                              shared.k, keys, int(threadIdx.x));
  swizzled::store_rows<kValueDim, Tile::kKeys, Tile::kThreads>(
      p.dv, row * kValueDim, std::int64_t(p.kv_heads) * kValueDim, shared.v, keys, int(threadIdx.x));
}

/// The kernel: one block computes kKeys rows of dk and dv, and adds its part to dq_sum where there is one.  The grid is
/// (tiles of keys, kv heads, sequences): the first tile, which under a causal mask most queries see, starts first.
template <class Element, class Tile>
__device__ __forceinline__ void backward(const Params& p) {
  constexpr bool kOneBuffer = Tile::kBuffers == 1;
  auto& shared = ptx::dynamic_smem<typename Tile::Shared>();
  const Sequence sequence = locate_sequence(p, int(blockIdx.z));
  const int head_kv = int(blockIdx.y), first_key = int(blockIdx.x) * Tile::kKeys, keys = sequence.keys - first_key;
  if (keys <= 0) return;  // the grid is made for the longest sequence
  const QueryTiles tiles = seeing_tiles<Tile::kQueries>(p, sequence, first_key, min(keys, Tile::kKeys));
  KeyGradients<Tile> sums;
  swizzled::clear(sums.dk);
  swizzled::clear(sums.dv);
  Step step{head_kv * p.group, tiles.first};
  int left = (tiles.end - tiles.first) * p.group;
  if (left > 0) {
    const std::int64_t row = (sequence.key_row + first_key) * p.kv_heads + head_kv;
    swizzled::copy_rows<Tile::kHeadDim, Tile::kKeys, Tile::kThreads>(
        ptx::shared_address(shared.k), p.k, row * Tile::kHeadDim, std::int64_t(p.kv_heads) * Tile::kHeadDim, keys);
    copy_q<Tile>(p, sequence, step, shared, 0);
    ptx::cp_async_commit();
    swizzled::copy_rows<Tile::kValueDim, Tile::kKeys, Tile::kThreads>(
        ptx::shared_address(shared.v), p.v, row * Tile::kValueDim, std::int64_t(p.kv_heads) * Tile::kValueDim, keys);
    copy_d_o<Tile>(p, sequence, step, shared, 0);
    ptx::cp_async_commit();
  }
#pragma unroll 1
  for (int stage = 0; left > 0; stage ^= 1) {
    ptx::cp_async_wait<kOneBuffer ? 1 : 0>();
    __syncthreads();  // this step's copies have landed (one buffer: q), and everyone has finished the step before
    Step next = step;
    next.advance(tiles);
    const bool more = --left > 0;
    const auto copy_next_q = [&] {
      if (more) copy_q<Tile>(p, sequence, next, shared, stage ^ 1);
      ptx::cp_async_commit();
    };
    const auto copy_next_d_o = [&] {
      if (more) copy_d_o<Tile>(p, sequence, next, shared, stage ^ 1);
      ptx::cp_async_commit();
    };
    if (!kOneBuffer) copy_next_q(), copy_next_d_o();
    compute_p_and_ds<Element, Tile>(p, sequence, step.tile * Tile::kQueries, first_key, shared, stage);
    __syncthreads();  // p and ds are complete
    multiply_columns<Element, Tile, Tile::kHeadDim>(sums.dk, shared.ds, shared.q[stage % Tile::kBuffers]);
    if (kOneBuffer) {
      __syncthreads();  // everyone has finished reading q
      copy_next_q();
    }
    multiply_columns<Element, Tile, Tile::kValueDim>(sums.dv, shared.p, shared.d_o[stage % Tile::kBuffers]);
    if (kOneBuffer) {
      __syncthreads();  // everyone has finished reading do
      copy_next_d_o();
    }
    if (p.dq_sum != nullptr) add_dq<Element, Tile>(p, sequence, step, shared);
    step = next;
  }
  store_key_gradients<Element, Tile>(p, sequence, head_kv, first_key, sums, shared);
}

}  // namespace assay::mma_sm80_backward
