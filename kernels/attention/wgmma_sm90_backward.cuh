// Attention backward for bf16 and fp16 on Hopper's tensor cores: wgmma fed by bulk copies; sm_90a.
//
// Algorithm   Three kernels.  The first writes delta = rowsum(o do) and lse log2(e) into padded rows and zeroes dq's
//             sums.  The main one: a CTA owns 128 keys of one kv head, keeps their k and v in shared memory, and walks
//             over the query tiles that see them, for every query head of the group, so that dk and dv are complete in
//             its registers (fp32) and are written once.  Per query tile:
//               s = k q^T       p = 2^(scale log2(e) s - lse log2(e))      dv += p do
//               dp = v do^T     ds = p (dp - delta)                        dk += ds q       dq += ds^T k
//             The last kernel scales dq's fp32 sums and converts them.  Rows of q that do not exist, or see nothing,
//             have lse = +infinity there: p is 0 without a mask.
// Transposed  s, p, dp and ds have a row for each key.  What a warpgroup holds of p and ds is then, rounded and packed,
//             the register operand a of dv's and dk's products: p never goes through shared memory, ds only for dq.
//             q, do and k are read in both orders from the same bytes: wgmma transposes 16-bit operands as it reads.
// dq          A tile's sums leave by bulk reductions, added up in L2: one contiguous piece a warpgroup, since dq's sums
//             lie in memory as accumulators lie in registers.  Writer warps issue them, and wait for them.
// Order       of one query tile, as the tensor cores get it:  s, dp, dv, dq, dk.  Exponentials run beside dp, ds beside
//             dv, the staging of dq beside dk, which the next tile's s follows at once.  (128 queries: dp in halves,
//             the second behind dv, since registers hold one.)
// Roles       384 threads: two producer warps (k, q and lse; v, do and delta), two writer warps, two consumer
//             warpgroups of 64 keys each.
// In turn     Deterministic form: a writer waits until the key tiles before its own have added to the same block
//             (BackwardSchedule), and hands on when its reduction has been performed, not only read.  The same bits
//             every time.
//
// Tile        64 queries x 128 keys (head_dim 128) or 128 x 128 (64)
// Shared      198,656 bytes (128), 199,680 (64): k, v, two stages of q and do, two of ds, staging of dq; one CTA an SM
// Registers   launched with 168: 24 for the producers' warpgroup, 240 for the consumers' (24 + 2 * 240 = 3 * 168)
// Shapes      head_dim 64 and 128, any lengths below 2^29, heads a multiple of kv_heads; causal, window, packed
//             sequences; arrays 16-byte aligned.
// Warning     Rows behind the last of a packed sequence are its neighbour's.  They are masked, but an infinity or NaN
//             among them spreads into the sequence's last tile (0 * inf).
// Expected    per query tile: tensor cores 2560 clocks, shared memory 3076 (3208 at head_dim 64), MUFU 512 (1024): a
//             warpgroup's 64 x 64 products read 128 bytes a clock, which is all there is.  With 200 clocks that nothing
//             hides, causal 16384 x 16384, 64 query and 8 kv heads of 128: 733 TFLOP/s at 1.83 GHz
//             (wgmma_sm90_backward_model.cpp).  Not yet run on a GPU.
// Source      Shah et al., "FlashAttention-3" (arXiv 2407.08608) and its backward pass's plan of operands and roles;
//             written for this project, with another order of products.  C++17.
#pragma once
#include <cuda_runtime.h>

#include "kernels/attention/wgmma_sm90_backward_copies.cuh"
#include "kernels/attention/wgmma_sm90_backward_rows.cuh"
#include "kernels/common/ptx/convert.cuh"
#include "kernels/common/ptx/fence.cuh"
#include "kernels/common/ptx/global_access.cuh"
#include "kernels/common/ptx/mbarrier.cuh"
#include "kernels/common/ptx/shared_address.cuh"
#include "kernels/common/ptx/stmatrix.cuh"
#include "kernels/common/ptx/warpgroup.cuh"
#include "kernels/common/ptx/wgmma.cuh"
#include "kernels/common/ptx/wgmma_registers.cuh"

namespace assay::wgmma_sm90_backward {

constexpr std::uint32_t kAllConsumers = 1;  // named barriers; those of one consumer follow

// ---- consumers ------------------------------------------------------------------------------------------------------
/// Accumulators, rounded, as operand a of one wgmma: two neighbouring 8-column blocks.
template <class Element>
__device__ __forceinline__ void pack(std::uint32_t (&a)[4], const float* d) {
#pragma unroll
  for (int i = 0; i < 4; ++i) a[i] = Element::pack(d[2 * i], d[2 * i + 1]);
}

/// What a consumer keeps from one query tile to the next.
template <class Element, class Tile>
struct Consumer {
  static constexpr int kQueries = Tile::kQueries, kHeadDim = Tile::kHeadDim;
  static constexpr int kSteps = kQueries / 16;         // wgmmas that add up a query tile
  static constexpr std::uint64_t kStepK = 32 / 16;     // from one to the next, in a descriptor: k-major
  static constexpr std::uint64_t kStepMn = 2048 / 16;  // 16 rows of 128 bytes: mn-major
  using Operand = std::uint32_t[kSteps][4];

  typename Tile::Shared& shared;
  const int consumer, thread = int(threadIdx.x) % 128, lane = int(threadIdx.x) % 32;
  float dk[kHeadDim / 2] = {}, dv[kHeadDim / 2] = {};

  /// The same in all lanes, and by the shuffle known to be: what follows from it stays out of the lanes' registers.
  __device__ Consumer(typename Tile::Shared& s)
      : shared(s), consumer(__shfl_sync(0xffffffff, int(threadIdx.x) / 128 - 1, 0)) {}

  /// Starts d = rows of `keys` (this consumer's 64) times kCount of the queries at `queries`, transposed.
  template <int kCount>
  __device__ __forceinline__ void multiply_keys(float (&d)[kCount / 2], const unsigned char* keys,
                                                const unsigned char* queries, int first = 0) const {
    const std::uint64_t a = ptx::wgmma_descriptor(shared_address(keys) + consumer * 64 * 128, 16, 1024);
    const std::uint64_t b = ptx::wgmma_descriptor(shared_address(queries) + first * 128, 16, 1024);
    ptx::wgmma_fence();
    ptx::wgmma_first<Element::kTypes, kCount>(d, a, b);
#pragma unroll
    for (int k = 1; k < kHeadDim / 16; ++k)
      ptx::wgmma<Element::kTypes, kCount>(d, a + k / 4 * (Tile::kKeyPanelBytes / 16) + k % 4 * kStepK,
                                          b + k / 4 * (Tile::kQueryPanelBytes / 16) + k % 4 * kStepK, true);
    ptx::wgmma_commit();
  }

  /// Starts d += a times the query tile at `queries`.
  __device__ __forceinline__ void multiply_queries(float (&d)[kHeadDim / 2], const Operand& a,
                                                   const unsigned char* queries) const {
    const std::uint64_t b = ptx::wgmma_descriptor(shared_address(queries), Tile::kQueryPanelBytes, 1024);
    ptx::wgmma_fence();
#pragma unroll
    for (int k = 0; k < kSteps; ++k)
      ptx::wgmma_registers<Element::kTypes, kHeadDim, ptx::Major::mn>(d, a[k], b + k * kStepMn, true);
    ptx::wgmma_commit();
  }

  /// Starts this consumer's block of dq = ds^T k, over the keys of both.
  __device__ __forceinline__ void multiply_ds_k(float (&dq)[32], const unsigned char* ds) const {
    const int row_panel = Tile::kDsPanels == 2 ? consumer : 0, column_panel = Tile::kPanels == 2 ? consumer : 0;
    const std::uint64_t a =
        ptx::wgmma_descriptor(shared_address(ds) + row_panel * Tile::kKeyPanelBytes, Tile::kKeyPanelBytes, 1024);
    const std::uint64_t b = ptx::wgmma_descriptor(shared_address(shared.k) + column_panel * Tile::kKeyPanelBytes,
                                                  Tile::kKeyPanelBytes, 1024);
    ptx::wgmma_fence();
    ptx::wgmma_first<Element::kTypes, 64, ptx::Major::mn, ptx::Major::mn>(dq, a, b);
#pragma unroll
    for (int k = 1; k < Tile::kKeys / 16; ++k)
      ptx::wgmma<Element::kTypes, 64, ptx::Major::mn, ptx::Major::mn>(dq, a + k * kStepMn, b + k * kStepMn, true);
    ptx::wgmma_commit();
  }

  /// s becomes p.
  __device__ __forceinline__ void exponentiate(float (&s)[kQueries / 2], const float* lse_log2,
                                               float scale_log2) const {
#pragma unroll
    for (int j = 0; j < kQueries / 8; ++j) {
      const float2 lse = *reinterpret_cast<const float2*>(lse_log2 + j * 8 + lane % 4 * 2);
#pragma unroll
      for (int e = 0; e < 4; ++e)
        s[4 * j + e] = ptx::exp2_approximate(s[4 * j + e] * scale_log2 - (e % 2 ? lse.y : lse.x));
    }
  }

  /// Hides from the queries, the first of which is `query`, what they must not see of keys.
  __device__ __forceinline__ void mask(float (&s)[kQueries / 2], const KeyTileMask& visible, int query) const {
    const int key = consumer * 64 + thread / 32 * 16 + lane / 4, first_column = query + lane % 4 * 2;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int first = visible.first_query(key + half * 8) - first_column,
                end = visible.end_query(key + half * 8) - first_column;
#pragma unroll
      for (int j = 0; j < kQueries / 8; ++j)
#pragma unroll
        for (int e = 0; e < 2; ++e)
          if (j * 8 + e < first || j * 8 + e >= end) s[4 * j + 2 * half + e] = -INFINITY;
    }
  }

  /// ds of 16 queries, of p and dp, in dp's place.
  __device__ __forceinline__ void subtract_delta(float* dp, const float* p, const float* delta) const {
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      const float2 d = *reinterpret_cast<const float2*>(delta + j * 8 + lane % 4 * 2);
#pragma unroll
      for (int e = 0; e < 4; ++e) dp[4 * j + e] = p[4 * j + e] * (dp[4 * j + e] - (e % 2 ? d.y : d.x));
    }
  }

  /// ds of 64 queries, the `part`-th, into shared memory: a row for each key.  Chunk 2 k + c of a row lies where chunk
  /// c does but for bits that 2 k flips: one address, not four, to keep.
  __device__ __forceinline__ void store_ds(const Operand& a, int part, unsigned char* ds) const {
    const int row = consumer * 64 + thread / 32 * 16 + lane % 16;
    const std::uint32_t first = shared_address(ds) + part * Tile::kKeyPanelBytes + swizzled_chunk(row, lane / 16);
#pragma unroll
    for (int k = 0; k < 4; ++k)
      ptx::stmatrix_x4(first ^ k * 32, a[4 * part + k][0], a[4 * part + k][1], a[4 * part + k][2], a[4 * part + k][3]);
  }

  /// Hands the block to the writer.
  __device__ __forceinline__ void stage_dq(const float (&dq)[32], std::uint32_t parity) {
    float4* to = reinterpret_cast<float4*>(shared.dq[consumer]) + thread;
    ptx::mbarrier_wait(shared_address(&shared.dq_empty[consumer]), parity);
#pragma unroll
    for (int i = 0; i < 8; ++i) to[i * 128] = make_float4(dq[4 * i], dq[4 * i + 1], dq[4 * i + 2], dq[4 * i + 3]);
    ptx::fence_proxy_async();
    __syncwarp();
    if (lane == 0) ptx::mbarrier_arrive(shared_address(&shared.dq_full[consumer]));
  }

  __device__ __forceinline__ void release(std::uint64_t& empty) const {
    if (lane == 0) ptx::mbarrier_arrive(shared_address(&empty));
  }
};

/// A consumer's 64 rows of dk or dv, staged where only it has read.
template <class Element, class Tile>
__device__ __forceinline__ void store_keys(const Params& p, const Work<Tile>& work, float (&d)[Tile::kHeadDim / 2],
                                           int consumer, void* gradient, unsigned char* staging, float scale) {
  const int first = work.unit.key_tile * Tile::kKeys + consumer * 64;
#pragma unroll
  for (int panel = 0; panel < Tile::kPanels; ++panel) {
    Rows64 rows;
    rows.count = work.sequence.keys - first;
    rows.stride = p.schedule.kv_heads * Tile::kHeadDim;
    rows.first = static_cast<std::uint16_t*>(gradient) + (work.sequence.key_row + first) * rows.stride +
                 work.unit.kv_head * Tile::kHeadDim + panel * 64;
    store_block<Element>(&d[panel * 32], scale, staging + panel * Tile::kKeyPanelBytes + consumer * 64 * 128, rows,
                         kAllConsumers + 1 + consumer);
  }
}

template <class Element, class Tile>
__device__ __forceinline__ void consume(const Params& p, typename Tile::Shared& shared, const Work<Tile>& work) {
  using C = Consumer<Element, Tile>;
  C c(shared);
  typename C::Operand p_operand, ds_operand;
  const int steps = work.steps(p);
  int tile = work.range.begin, i = 0;
  static_assert(Tile::kStages == 2, "stages and their parities are told from i: registers are short");
  do {  // the last dk is still under way: whatever moves accumulators between here and its wait serialises all wgmma
    const int stage = i & 1;
    const std::uint32_t parity = i >> 1 & 1;
    float s[Tile::kQueries / 2], dp[32], dq[32];
    ptx::mbarrier_wait(shared_address(&shared.q_full[stage]), parity);
    c.template multiply_keys<Tile::kQueries>(s, shared.k, shared.q[stage]);
    ptx::wgmma_wait<1>();  // dk of the tile before
    if (i > 0) c.release(shared.q_empty[stage ^ 1]);
    ptx::mbarrier_wait(shared_address(&shared.d_o_full[stage]), parity);
    c.template multiply_keys<64>(dp, shared.v, shared.d_o[stage]);
    ptx::wgmma_wait<1>();  // s
    ptx::wgmma_registers_fence(s);
    const KeyTileMask visible = shared.mask;
    if (visible.refuses(tile * Tile::kQueries, Tile::kQueries, Tile::kKeys)) c.mask(s, visible, tile * Tile::kQueries);
    c.exponentiate(s, shared.lse_log2[stage], p.scale_log2);
#pragma unroll
    for (int k = 0; k < C::kSteps; ++k) pack<Element>(p_operand[k], s + 8 * k);
    c.multiply_queries(c.dv, p_operand, shared.d_o[stage]);
#pragma unroll
    for (int part = 0; part < Tile::kDsPanels; ++part) {
      if (part == 0)
        ptx::wgmma_wait<1>();  // dp
      else
        ptx::wgmma_wait<0>();  // dv and dp
      ptx::wgmma_registers_fence(dp);
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        const int slice = 4 * part + k;
        c.subtract_delta(dp + 8 * k, s + 8 * slice, shared.delta[stage] + 16 * slice);
        pack<Element>(ds_operand[slice], dp + 8 * k);
      }
      if (part + 1 < Tile::kDsPanels) c.template multiply_keys<64>(dp, shared.v, shared.d_o[stage], 64 * (part + 1));
      c.store_ds(ds_operand, part, shared.ds[stage]);
    }
    ptx::fence_proxy_async();
    ptx::barrier_sync(kAllConsumers, 128 * Tile::kConsumers);  // both halves of ds are there
    c.multiply_ds_k(dq, shared.ds[stage]);
    c.multiply_queries(c.dk, ds_operand, shared.q[stage]);
    ptx::wgmma_wait<1>();  // dv and dq
    ptx::wgmma_registers_fence(dq);
    c.release(shared.d_o_empty[stage]);
    c.stage_dq(dq, stage ^ 1);
    if (++tile == shared.range.end) tile = shared.range.begin;
  } while (++i < steps);
  ptx::wgmma_wait<0>();
  ptx::wgmma_registers_fence(c.dk);
  ptx::wgmma_registers_fence(c.dv);
  ptx::barrier_sync(kAllConsumers, 128 * Tile::kConsumers);  // nobody reads k any more
  const Work<Tile> again(p, shared.unit);                    // rather than registers held through the loop
  store_keys<Element, Tile>(p, again, c.dk, c.consumer, p.dk, shared.k, p.scale);
  store_keys<Element, Tile>(p, again, c.dv, c.consumer, p.dv, shared.v, 1.f);
}

/// dk and dv of keys that no query sees.
template <class Tile>
__device__ __forceinline__ void store_zeros(const Params& p, const Work<Tile>& work) {
  constexpr int kChunks = Tile::kHeadDim / 8;
  const int first = work.unit.key_tile * Tile::kKeys, rows = min(work.sequence.keys - first, Tile::kKeys);
  for (int i = int(threadIdx.x); i < rows * kChunks; i += Tile::kThreads) {
    const std::int64_t row = work.sequence.key_row + first + i / kChunks;
    const std::int64_t chunk = (row * p.schedule.kv_heads + work.unit.kv_head) * kChunks + i % kChunks;
    static_cast<uint4*>(p.dk)[chunk] = static_cast<uint4*>(p.dv)[chunk] = make_uint4(0, 0, 0, 0);
  }
}

// ---- the kernel -----------------------------------------------------------------------------------------------------
template <class Tile>
__device__ __forceinline__ void initialise(const Params& p, typename Tile::Shared& shared) {
  if (threadIdx.x == 0) {
    for (int s = 0; s < Tile::kStages; ++s) {
      ptx::mbarrier_init(shared_address(&shared.q_full[s]), 1);
      ptx::mbarrier_init(shared_address(&shared.d_o_full[s]), 1);
      ptx::mbarrier_init(shared_address(&shared.q_empty[s]), Tile::kConsumers * 4);  // warps
      ptx::mbarrier_init(shared_address(&shared.d_o_empty[s]), Tile::kConsumers * 4);
    }
    for (int c = 0; c < Tile::kConsumers; ++c) {
      ptx::mbarrier_init(shared_address(&shared.dq_full[c]), 4);  // warps
      ptx::mbarrier_init(shared_address(&shared.dq_empty[c]), 1);
    }
    ptx::fence_mbarrier_init();
    // Deterministic: who waits for others must know that they have started.
    shared.unit = int(p.schedule.deterministic ? atomicAdd(p.tickets, 1u) : blockIdx.x);
    const Work<Tile> work(p, shared.unit);
    shared.mask = p.schedule.mask(work.sequence, work.unit.key_tile);
    shared.range = work.range;
  }
  __syncthreads();
}

template <class Element, class Tile>
__device__ __forceinline__ void backward(const Params& p) {
  auto& shared = ptx::dynamic_smem<typename Tile::Shared>();
  initialise<Tile>(p, shared);
  const Work<Tile> work(p, shared.unit);
  if (work.steps(p) == 0) return store_zeros(p, work);  // of no keys, where the sequence is shorter than the longest
  if (threadIdx.x < 128) {
    ptx::setmaxnreg_dec<24>();
    const int warp = int(threadIdx.x) / 32;
    if (!ptx::elect_one()) return;
    if (warp == 0)
      produce<Tile>(p, work, {shared.q, shared.lse_log2, shared.q_full, shared.q_empty, shared.k}, p.map_q, p.lse_log2,
                    p.map_k);
    else if (warp == 1)
      produce<Tile>(p, work, {shared.d_o, shared.delta, shared.d_o_full, shared.d_o_empty, shared.v}, p.map_d_o,
                    p.delta, p.map_v);
    else
      write_dq<Tile>(p, shared, work, warp - 2);
  } else {
    ptx::setmaxnreg_inc<240>();
    consume<Element, Tile>(p, shared, work);
  }
}

}  // namespace assay::wgmma_sm90_backward
