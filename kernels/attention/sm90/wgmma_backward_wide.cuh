// What consumers of wgmma_backward.cuh do where dk and dv leave too few registers for its own order.  sm_90a,
// C++17.
//
// 192, 128    64 queries x 128 keys, 64 keys a warpgroup.  160 accumulators of dk and dv leave room neither for 64
//             queries' scores nor for ds until dk's turn: 32 queries at a time go from s to dv, and dk takes ds from
//             shared memory.  dq has three blocks of 64 columns: each consumer makes one, and before it both make the
//             third, each over its own keys, so that its sums get two parts from a CTA (deterministic form: in turn).
//             Order: s, dp, dv; s, dp, dv; dq's common block; its own, dk.
// 256, 256    64 queries x 64 keys.  dk and dv of 64 keys are 256 accumulators: both consumers have the same keys, half
//             of the columns each, and half of the queries' scores each; p and ds both go through shared memory.  do
//             has one stage: 32 KiB more do not fit.  Order: s, dp, dq's first block, dv, its second, dk.
// Shared      231,424 and 222,208 bytes: one CTA an SM
// Registers   24 and 240, as in wgmma_backward.cuh; no spills, nothing serialised
// Expected    per query tile: tensor cores 3328 and 2560 clocks, shared memory 5060 and 4548: products of 32 queries
//             read half as much again as those of 64.  With 600 and 400 clocks that nothing hides, causal 16384 x
//             16384: 556 TFLOP/s (128 heads of 192, 128) and 495 (64 query and 8 kv heads of 256) at 1.83 GHz
//             (wgmma_backward_model.cpp).  At 256 L2 too is busy, 128 KiB a query tile, which the model does not
//             count.  Not yet run on a GPU.
#pragma once
#include "kernels/attention/sm90/wgmma_backward_consumer.cuh"

namespace assay::wgmma_sm90_backward {

/// head_dim 192, values of 128.
template <class Element, class Tile>
__device__ __forceinline__ void consume_in_parts(const Params& p, typename Tile::Shared& shared,
                                                 const Work<Tile>& work) {
  constexpr int kPart = 32;
  Consumer<Element, Tile> c(shared);
  const int steps = work.steps(p);
  int tile = work.range.begin, i = 0;
  static_assert(Tile::kQStages == 2 && Tile::kDoStages == 2 && Tile::kQueries == 64 && Tile::kDqPasses == 2);
  do {
    const int stage = i & 1;
    const std::uint32_t parity = i >> 1 & 1;
    float dq[32];
    ptx::mbarrier_wait(shared_address(&shared.q_full[stage]), parity);
    ptx::mbarrier_wait(shared_address(&shared.d_o_full[stage]), parity);
#pragma unroll 1
    for (int first = 0; first < Tile::kQueries; first += kPart) {
      float s[kPart / 2], dp[kPart / 2];
      std::uint32_t p_operand[kPart / 16][4], ds_operand[kPart / 16][4];
      c.template multiply_keys<kPart, Tile::kHeadDim>(s, shared.k, shared.q[stage], first);
      c.template multiply_keys<kPart, Tile::kValueDim>(dp, shared.v, shared.d_o[stage], first);
      ptx::wgmma_wait<1>();  // s, and dk of the tile before
      ptx::wgmma_registers_fence(s);
      if (first == 0 && i > 0) c.release(shared.q_empty[stage ^ 1]);
      const KeyTileMask visible = shared.mask;
      const int query = tile * Tile::kQueries + first;
      if (visible.refuses(query, kPart, Tile::kKeys)) mask(s, visible, c.consumer * 64, query);
      exponentiate(s, shared.lse_log2[stage] + first, p.scale_log2);
      ptx::wgmma_wait<0>();  // dp
      ptx::wgmma_registers_fence(dp);
#pragma unroll
      for (int k = 0; k < kPart / 16; ++k) {
        pack<Element>(p_operand[k], s + 8 * k);
        subtract_delta(dp + 8 * k, s + 8 * k, shared.delta[stage] + first + 16 * k);
        pack<Element>(ds_operand[k], dp + 8 * k);
      }
      c.multiply_queries(c.dv, p_operand, shared.d_o[stage] + first * 128);
      c.template store_ds<kPart / 16>(ds_operand, first / 16, shared.ds[stage]);
      ptx::wgmma_wait<0>();  // dv: in flight from one part to the next it would be serialised
      ptx::wgmma_registers_fence(c.dv);
    }
    ptx::fence_proxy_async();
    ptx::barrier_sync(kAllConsumers, 128 * Tile::kConsumers);  // both halves of ds are there
    c.release(shared.d_o_empty[stage]);                        // delta too is read: by all lanes, behind the barrier
    c.template multiply_ds_k<0>(dq, shared.ds[stage]);
    ptx::wgmma_wait<0>();  // dq's common block
    ptx::wgmma_registers_fence(dq);
    c.stage_dq(dq, 1);
    c.template multiply_ds_k<1>(dq, shared.ds[stage]);
    c.multiply_stored(c.dk, shared.ds[stage], shared.q[stage]);
    ptx::wgmma_wait<1>();  // dq's own block
    ptx::wgmma_registers_fence(dq);
    c.stage_dq(dq, 0);
    if (++tile == shared.range.end) tile = shared.range.begin;
  } while (++i < steps);
  c.store_gradients(p);
}

/// head_dim 256.  Scores, p and ds of this consumer's 32 queries.
template <class Element, class Tile>
__device__ __forceinline__ void consume_in_halves(const Params& p, typename Tile::Shared& shared,
                                                  const Work<Tile>& work) {
  constexpr int kPart = 32;
  Consumer<Element, Tile> c(shared);
  const int steps = work.steps(p), first = c.consumer * kPart;
  int tile = work.range.begin, i = 0;
  static_assert(Tile::kQStages == 2 && Tile::kDoStages == 1 && Tile::kQueries == 64 && Tile::kDqPasses == 2);
  do {
    const int stage = i & 1;
    float s[kPart / 2], dp[kPart / 2], dq[32];
    std::uint32_t operand[kPart / 16][4];
    ptx::mbarrier_wait(shared_address(&shared.q_full[stage]), i >> 1 & 1);
    c.template multiply_keys<kPart, Tile::kHeadDim>(s, shared.k, shared.q[stage], first);
    ptx::wgmma_wait<1>();  // dk of the tile before
    if (i > 0) c.release(shared.q_empty[stage ^ 1]);
    ptx::mbarrier_wait(shared_address(&shared.d_o_full[0]), stage);
    c.template multiply_keys<kPart, Tile::kValueDim>(dp, shared.v, shared.d_o[0], first);
    ptx::wgmma_wait<1>();  // s
    ptx::wgmma_registers_fence(s);
    const KeyTileMask visible = shared.mask;
    const int query = tile * Tile::kQueries + first;
    if (visible.refuses(query, kPart, Tile::kKeys)) mask(s, visible, 0, query);
    exponentiate(s, shared.lse_log2[stage] + first, p.scale_log2);
#pragma unroll
    for (int k = 0; k < kPart / 16; ++k) pack<Element>(operand[k], s + 8 * k);
    unsigned char *ds = shared.ds[stage], *stored_p = shared.ds[2];
    c.template store_ds<kPart / 16>(operand, first / 16, stored_p);  // do is here, so that dv is done with the last p
    ptx::wgmma_wait<0>();                                            // dp
    ptx::wgmma_registers_fence(dp);
#pragma unroll
    for (int k = 0; k < kPart / 16; ++k) {
      subtract_delta(dp + 8 * k, s + 8 * k, shared.delta[0] + first + 16 * k);
      pack<Element>(operand[k], dp + 8 * k);
    }
    c.template store_ds<kPart / 16>(operand, first / 16, ds);
    ptx::fence_proxy_async();
    ptx::barrier_sync(kAllConsumers, 128 * Tile::kConsumers);  // p and ds of both halves are there
    c.template multiply_ds_k<0>(dq, ds);
    c.multiply_stored(c.dv, stored_p, shared.d_o[0]);
    ptx::wgmma_wait<1>();  // dq's first block
    ptx::wgmma_registers_fence(dq);
    c.stage_dq(dq, 1);
    c.template multiply_ds_k<1>(dq, ds);
    c.multiply_stored(c.dk, ds, shared.q[stage]);
    ptx::wgmma_wait<1>();  // dv, and dq's second block
    ptx::wgmma_registers_fence(dq);
    c.release(shared.d_o_empty[0]);
    c.stage_dq(dq, 0);
    if (++tile == shared.range.end) tile = shared.range.begin;
  } while (++i < steps);
  c.store_gradients(p);
}

}  // namespace assay::wgmma_sm90_backward
