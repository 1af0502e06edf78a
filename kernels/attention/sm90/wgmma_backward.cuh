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
// Tile        64 queries x 128 keys (head_dim 128) or 128 x 128 (64); 192 with values of 128, and 256, have orders of
//             their own: wgmma_backward_wide.cuh.  A problem takes the narrowest tile that holds its columns; the
//             missing ones are zeros, and cost what others do (96: a quarter of 128's work).
// Shared      198,656 bytes (128), 199,680 (64): k, v, two stages of q and do, two of ds, staging of dq; one CTA an SM
// Registers   launched with 168: 24 for the producers' warpgroup, 240 for the consumers' (24 + 2 * 240 = 3 * 168)
// Shapes      head_dim and the values' width multiples of 8 up to 256, any lengths below 2^29, heads a multiple of
//             kv_heads; causal, window, packed sequences; arrays 16-byte aligned.
// Warning     Rows behind the last of a packed sequence are its neighbour's.  They are masked, but an infinity or NaN
//             among them spreads into the sequence's last tile (0 * inf).
// Expected    per query tile: tensor cores 2560 clocks, shared memory 3076 (3208 at head_dim 64), MUFU 512 (1024): a
//             warpgroup's 64 x 64 products read 128 bytes a clock, which is all there is.  With 200 clocks that nothing
//             hides, causal 16384 x 16384, 64 query and 8 kv heads of 128: 733 TFLOP/s at 1.83 GHz (of 96: 552;
//             wgmma_backward_model.cpp).  Not yet run on a GPU.
// Source      Shah et al., "FlashAttention-3" (arXiv 2407.08608) and its backward pass's plan of operands and roles;
//             written for this project, with another order of products.  C++17.
#pragma once
#include <cuda_runtime.h>

#include "kernels/attention/sm90/wgmma_backward_consumer.cuh"
#include "kernels/attention/sm90/wgmma_backward_copies.cuh"
#include "kernels/attention/sm90/wgmma_backward_rows.cuh"
#include "kernels/attention/sm90/wgmma_backward_wide.cuh"
#include "kernels/common/ptx/fence.cuh"
#include "kernels/common/ptx/mbarrier.cuh"
#include "kernels/common/ptx/shared_address.cuh"
#include "kernels/common/ptx/warpgroup.cuh"

namespace assay::wgmma_sm90_backward {

// ---- consumers ------------------------------------------------------------------------------------------------------
template <class Element, class Tile>
__device__ __forceinline__ void consume(const Params& p, typename Tile::Shared& shared, const Work<Tile>& work) {
  using C = Consumer<Element, Tile>;
  C c(shared);
  typename C::Operand p_operand, ds_operand;
  const int steps = work.steps(p);
  int tile = work.range.begin, i = 0;
  static_assert(Tile::kQStages == 2 && Tile::kDoStages == 2, "told from i, as parities are: registers are short");
  do {  // the last dk is still under way: whatever moves accumulators between here and its wait serialises all wgmma
    const int stage = i & 1;
    const std::uint32_t parity = i >> 1 & 1;
    float s[Tile::kQueries / 2], dp[32], dq[32];
    ptx::mbarrier_wait(shared_address(&shared.q_full[stage]), parity);
    c.template multiply_keys<Tile::kQueries, Tile::kHeadDim>(s, shared.k, shared.q[stage]);
    ptx::wgmma_wait<1>();  // dk of the tile before
    if (i > 0) c.release(shared.q_empty[stage ^ 1]);
    ptx::mbarrier_wait(shared_address(&shared.d_o_full[stage]), parity);
    c.template multiply_keys<64, Tile::kValueDim>(dp, shared.v, shared.d_o[stage]);
    ptx::wgmma_wait<1>();  // s
    ptx::wgmma_registers_fence(s);
    const KeyTileMask visible = shared.mask;
    if (visible.refuses(tile * Tile::kQueries, Tile::kQueries, Tile::kKeys))
      mask(s, visible, c.consumer * 64, tile * Tile::kQueries);
    exponentiate(s, shared.lse_log2[stage], p.scale_log2);
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
        subtract_delta(dp + 8 * k, s + 8 * slice, shared.delta[stage] + 16 * slice);
        pack<Element>(ds_operand[slice], dp + 8 * k);
      }
      if (part + 1 < Tile::kDsPanels)
        c.template multiply_keys<64, Tile::kValueDim>(dp, shared.v, shared.d_o[stage], 64 * (part + 1));
      c.template store_ds<4>(ds_operand + 4 * part, 4 * part, shared.ds[stage]);
    }
    ptx::fence_proxy_async();
    ptx::barrier_sync(kAllConsumers, 128 * Tile::kConsumers);  // both halves of ds are there
    c.template multiply_ds_k<0>(dq, shared.ds[stage]);
    c.multiply_queries(c.dk, ds_operand, shared.q[stage]);
    ptx::wgmma_wait<1>();  // dv and dq
    ptx::wgmma_registers_fence(dq);
    c.release(shared.d_o_empty[stage]);
    c.stage_dq(dq, stage ^ 1);
    if (++tile == shared.range.end) tile = shared.range.begin;
  } while (++i < steps);
  c.store_gradients(p);
}

/// dk and dv of keys that no query sees.
template <class Tile>
__device__ __forceinline__ void store_zeros(const Params& p, const Work<Tile>& work) {
  const int first = work.unit.key_tile * Tile::kKeys, rows = min(work.sequence.keys - first, Tile::kKeys);
  for (int row = int(threadIdx.x) / 32; row < rows; row += Tile::kThreads / 32) {
    const std::int64_t kv_row = (work.sequence.key_row + first + row) * p.schedule.kv_heads + work.unit.kv_head;
    for (int chunk = int(threadIdx.x) % 32; chunk < p.head_dim / 8; chunk += 32)
      static_cast<uint4*>(p.dk)[kv_row * (p.head_dim / 8) + chunk] = make_uint4(0, 0, 0, 0);
    for (int chunk = int(threadIdx.x) % 32; chunk < p.value_dim / 8; chunk += 32)
      static_cast<uint4*>(p.dv)[kv_row * (p.value_dim / 8) + chunk] = make_uint4(0, 0, 0, 0);
  }
}

// ---- the kernel -----------------------------------------------------------------------------------------------------
template <class Tile>
__device__ __forceinline__ void initialise(const Params& p, typename Tile::Shared& shared) {
  if (threadIdx.x == 0) {
    for (int s = 0; s < Tile::kQStages; ++s) {
      ptx::mbarrier_init(shared_address(&shared.q_full[s]), 1);
      ptx::mbarrier_init(shared_address(&shared.q_empty[s]), Tile::kConsumers * 4);  // warps
    }
    for (int s = 0; s < Tile::kDoStages; ++s) {
      ptx::mbarrier_init(shared_address(&shared.d_o_full[s]), 1);
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
      produce(p, work,
              Ring<Tile, Tile::kQStages, Tile::kQPanels>{shared.q, shared.lse_log2, shared.q_full, shared.q_empty,
                                                         shared.k},
              p.map_q, p.lse_log2, p.map_k);
    else if (warp == 1)
      produce(p, work,
              Ring<Tile, Tile::kDoStages, Tile::kVPanels>{shared.d_o, shared.delta, shared.d_o_full, shared.d_o_empty,
                                                          shared.v},
              p.map_d_o, p.delta, p.map_v);
    else
      write_dq<Tile>(p, shared, work, warp - 2);
  } else {
    ptx::setmaxnreg_inc<240>();
    if constexpr (Tile::kWide)
      consume_in_halves<Element, Tile>(p, shared, work);
    else if constexpr (Tile::kHeadDim == 192)
      consume_in_parts<Element, Tile>(p, shared, work);
    else
      consume<Element, Tile>(p, shared, work);
  }
}

}  // namespace assay::wgmma_sm90_backward
