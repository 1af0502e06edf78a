// What tcgen05_forward.cuh does in two threads: the copies into shared memory, and the products.
#pragma once
#include <cuda_runtime.h>

#include "kernels/attention/sm100/tcgen05_forward_params.h"
#include "kernels/attention/sm100/tcgen05_forward_tile.h"
#include "kernels/common/pipeline_state.h"
#include "kernels/common/ptx/convert.cuh"
#include "kernels/common/ptx/mbarrier.cuh"
#include "kernels/common/ptx/shared_address.cuh"
#include "kernels/common/ptx/tcgen05.cuh"
#include "kernels/common/ptx/tma.cuh"
#include "kernels/common/ptx/warpgroup.cuh"

namespace assay::sm100_attention {

using ptx::shared_address;

// An element type: how o is rounded, and what weights may be.  They are 2^kStart where a row's maximum is new, and grow
// to 2^kMost before a larger maximum replaces it (Softmax).
struct Bf16 {
  static constexpr int kBytes = 2;
  static constexpr float kStart = 0, kMost = 8;  // far from overflow in fp16, and no less exact
  __device__ static std::uint32_t pack(float low, float high) { return ptx::pack_bf16x2(low, high); }
};
struct F16 {
  static constexpr int kBytes = 2;
  static constexpr float kStart = 0, kMost = 8;
  __device__ static std::uint32_t pack(float low, float high) { return ptx::pack_f16x2(low, high); }
};
struct E4m3 {
  static constexpr int kBytes = 1;
  static constexpr float kStart = 8, kMost = 8.8f;  // 2^8.8 = 446: e4m3 ends at 448, and small weights need all of it
  __device__ static std::uint32_t pack(float low, float high) { return ptx::pack_bf16x2(low, high); }
};

constexpr int kThreads = Tcgen05Sm100ForwardTile<64, 64>::kThreads;  // the same in all

template <class Element_, int kHeadDim, int kValueDim>
struct ForwardInstance : Tcgen05Sm100ForwardTile<kHeadDim, kValueDim, Element_::kBytes> {
  using Element = Element_;
  static constexpr bool kEightBits = Element::kBytes == 1;
};

/// One arrival for the whole warp, after the work of all its lanes.
__device__ __forceinline__ void warp_arrive(std::uint64_t* barrier) {
  __syncwarp();
  if (threadIdx.x % 32 == 0) ptx::mbarrier_arrive(shared_address(barrier));
}

/// The units of a CTA, as every role walks over them.
template <class I>
struct Units {
  const Tcgen05Sm100ForwardParams& p;
  AttentionSchedule::Cursor cursor;

  __device__ explicit Units(const Tcgen05Sm100ForwardParams& params)
      : p(params), cursor(params.schedule, blockIdx.x, gridDim.x) {}
  __device__ __forceinline__ bool next(AttentionWork& unit) { return cursor.next(unit); }
  __device__ __forceinline__ bool next(Tcgen05Sm100ForwardWork& work) {
    AttentionWork unit;
    if (!cursor.next(unit)) return false;
    work = halves_of(unit, I::kKeys, p.causal, p.window);
    return true;
  }
};

// ---- loading ------------------------------------------------------------------------------------------------------
/// Starts the copy of a tile, panel by panel.
template <class I, int kPanels>
__device__ __forceinline__ void load_tile(const void* tile, const CUtensorMap& map, std::uint64_t* full, int head,
                                          int row) {
  ptx::mbarrier_arrive_expect_tx(shared_address(full), kPanels * I::kPanelBytes);
#pragma unroll
  for (int panel = 0; panel < kPanels; ++panel)
    ptx::tma_load(shared_address(tile) + panel * I::kPanelBytes, map, shared_address(full), panel * I::kPanelElements,
                  head, row);
}

/// One thread.  Copies are started in the order in which the products wait for them.
template <class I>
__device__ __forceinline__ void load(const Tcgen05Sm100ForwardParams& p, typename I::Shared& shared) {
  PipelineState<I::kStages> ring;
  PipelineState<1> q[2];
  Units<I> units(p);
  for (Tcgen05Sm100ForwardWork work; units.next(work);) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      if (work.empty(h)) continue;
      ptx::mbarrier_wait(shared_address(&shared.q_empty[h]), q[h].parity ^ 1);
      load_tile<I, I::kQPanels>(shared.q[h], p.map_q, &shared.q_full[h], work.head, work.half[h].q_row);
      q[h].advance();
    }
    for (int tile = work.end - 1; tile >= work.begin; --tile) {
      const int kv_head = work.head / p.group, row = work.half[0].kv_row + tile * I::kKeys;
      ptx::mbarrier_wait(shared_address(&shared.empty[ring.stage]), ring.parity ^ 1);
      load_tile<I, I::kQPanels>(shared.ring[ring.stage], p.map_k, &shared.full[ring.stage], kv_head, row);
      ring.advance();
      ptx::mbarrier_wait(shared_address(&shared.empty[ring.stage]), ring.parity ^ 1);
      load_tile<I, I::kVPanels>(shared.ring[ring.stage], p.map_v, &shared.full[ring.stage], kv_head, row);
      ring.advance();
    }
  }
  // Every commit must have arrived before this CTA may end: its shared memory is another's then.
  for (int s = 0; s < I::kStages; ++s, ring.advance())
    ptx::mbarrier_wait(shared_address(&shared.empty[ring.stage]), ring.parity ^ 1);
#pragma unroll
  for (int h = 0; h < 2; ++h) ptx::mbarrier_wait(shared_address(&shared.q_empty[h]), q[h].parity ^ 1);
}

// ---- products -----------------------------------------------------------------------------------------------------
/// The address goes to the lower word, which has room for it: one 32-bit addition per descriptor.
__device__ __forceinline__ std::uint64_t descriptor(std::uint64_t operand, std::uint32_t address) {
  return (operand & ~std::uint64_t(0xffffffff)) | (std::uint32_t(operand) + address / 16);
}

/// Starts s = q k^T of a half.
template <class I>
__device__ __forceinline__ void start_scores(const Tcgen05Sm100ForwardParams& p, std::uint32_t d, std::uint32_t q,
                                             std::uint32_t k) {
  q = ptx::recomputed(q), k = ptx::recomputed(k);
#pragma unroll
  for (int step = 0; step < I::kHeadDim / I::kStepElements; ++step) {  // a panel holds four: 32 bytes on
    const std::uint32_t at = step / 4 * I::kPanelBytes + step % 4 * 32;
    const std::uint64_t a = descriptor(I::kScoreOperand, q + at), b = descriptor(I::kScoreOperand, k + at);
    if constexpr (I::kEightBits)
      ptx::tcgen05_mma_f8f6f4<1>(d, a, b, p.scores_instruction, step > 0);
    else
      ptx::tcgen05_mma_f16<1>(d, a, b, p.scores_instruction, step > 0);
  }
}

/// Starts o (+)= p v of a half for steps kFirst .. kEnd - 1 of keys, p from tensor memory: a step is 8 columns.
template <class I, int kFirst, int kEnd>
__device__ __forceinline__ void start_output(const Tcgen05Sm100ForwardParams& p, std::uint32_t d, std::uint32_t weights,
                                             std::uint32_t v, bool accumulate) {
  weights = ptx::recomputed(weights), v = ptx::recomputed(v);
#pragma unroll
  for (int step = kFirst; step < kEnd; ++step) {
    const std::uint64_t b = descriptor(I::kValueOperand, v + step * I::kValueStep);
    if constexpr (I::kEightBits)
      ptx::tcgen05_mma_f8f6f4_from_tensor_memory(d, weights + step * 8, b, p.output_instruction,
                                                 accumulate || step > 0);
    else
      ptx::tcgen05_mma_f16_from_tensor_memory(d, weights + step * 8, b, p.output_instruction, accumulate || step > 0);
  }
}

/// The thread that issues all products.  The scores of a tile follow the output of the tile before, half by half: while
/// one half's products run, the other half's softmax does.  Products of one thread run in order, so that scores may
/// take the place of the weights that the product before them reads.
template <class I>
struct Multiplier {
  const Tcgen05Sm100ForwardParams& p;
  typename I::Shared& shared;
  const std::uint32_t tensor_memory;
  PipelineState<I::kStages> ring;
  PipelineState<1> q[2], ready[2];

  __device__ Multiplier(const Tcgen05Sm100ForwardParams& params, typename I::Shared& s, std::uint32_t memory)
      : p(params), shared(s), tensor_memory(memory) {}

  __device__ __forceinline__ void output(const Tcgen05Sm100ForwardWork& work, int h, int tile, int stage) {
    constexpr int kEarly = I::kKeySteps * 3 / 4;  // whose weights are waited for first
    const std::uint32_t weights = tensor_memory + h * I::kHalfColumns, d = weights + I::kOutput;
    const std::uint32_t v = shared_address(shared.ring[stage]);
    ptx::mbarrier_wait(shared_address(&shared.product_ready[h]), ready[h].parity);
    ptx::tcgen05_fence_after_thread_sync();
    start_output<I, 0, kEarly>(p, d, weights, v, tile < work.keys[h].end - 1);
    ptx::mbarrier_wait(shared_address(&shared.weights_full[h]), ready[h].parity);
    ptx::tcgen05_fence_after_thread_sync();
    start_output<I, kEarly, I::kKeySteps>(p, d, weights, v, true);
    ready[h].advance();
    if (tile == work.keys[h].begin) ptx::tcgen05_commit<1>(shared_address(&shared.output_full[h]));
  }

  __device__ __forceinline__ void scores(const Tcgen05Sm100ForwardWork& work, int h, int tile, int stage) {
    if (tile == work.keys[h].end - 1) ptx::mbarrier_wait(shared_address(&shared.q_full[h]), q[h].parity);
    start_scores<I>(p, tensor_memory + h * I::kHalfColumns, shared_address(shared.q[h]),
                    shared_address(shared.ring[stage]));
    ptx::tcgen05_commit<1>(shared_address(&shared.scores_full[h]));
    if (tile == work.keys[h].begin) {
      ptx::tcgen05_commit<1>(shared_address(&shared.q_empty[h]));
      q[h].advance();
    }
  }

  /// The output of tile + 1, from the next stage, and the scores of `tile`, from the one after.
  __device__ __forceinline__ void step(const Tcgen05Sm100ForwardWork& work, int tile) {
    const bool has_values = tile + 1 < work.end, has_keys = tile >= work.begin;
    const int v = ring.stage;
    if (has_values) {
      ptx::mbarrier_wait(shared_address(&shared.full[ring.stage]), ring.parity);
      ring.advance();
    }
    const int k = ring.stage;
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      if (has_values && work.has(h, tile + 1)) output(work, h, tile + 1, v);
      if (h == 1 && has_values) ptx::tcgen05_commit<1>(shared_address(&shared.empty[v]));
      if (h == 0 && has_keys) ptx::mbarrier_wait(shared_address(&shared.full[ring.stage]), ring.parity);
      if (has_keys && work.has(h, tile)) scores(work, h, tile, k);
    }
    if (has_keys) {
      ptx::tcgen05_commit<1>(shared_address(&shared.empty[k]));
      ring.advance();
    }
  }

  __device__ __forceinline__ void run() {
    Units<I> units(p);
    for (Tcgen05Sm100ForwardWork work; units.next(work);)
      if (work.begin < work.end)
        for (int tile = work.end - 1; tile >= work.begin - 1; --tile) step(work, tile);
  }
};

}  // namespace assay::sm100_attention
