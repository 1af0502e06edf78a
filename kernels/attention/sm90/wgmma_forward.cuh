// Attention forward on Hopper's tensor cores by wgmma, fed by the tensor memory accelerator; sm_90a, bf16, fp16 and
// e4m3.
//
// Algorithm   FlashAttention's: for each query the maximum m of its scores so far, the sum l of exp(score - m), and o =
//             sum exp(score - m) v; a new maximum rescales l and o; at the end o / l and lse = m + ln l.  Persistent
//             and warp-specialised: one thread of the producer warpgroup keeps rings of q, k and v tiles in shared
//             memory filled by bulk copies; two consumer warpgroups own 64 queries each, and all heads' query tiles are
//             dealt out longest first (cuda/forward_schedule.h).
// Overlap     A warpgroup starts the scores of a key tile and, behind them, the output of the tile before; its softmax
//             runs beside the latter.  Named barriers let the two warpgroups start their products by turns, so that the
//             softmax of one runs beside the products of the other, and the tensor cores never wait for either.
// Masks       Key tiles are walked from right to left.  Those that need a mask (the diagonal and ragged ends first, a
//             window's left edge last) have a loop of their own; the loop of the others has no mask code.
// Registers   Probabilities are never stored: rounded, accumulators are wgmma's register operand.  Row sums stay
//             partial per thread until the end.  384 threads are launched with 168 registers; the producer keeps 24,
//             consumers take 240.
// 8 bits      wgmma takes 8-bit values only key by key: three warps of the producer's warpgroup transpose each tile in
//             its place, between its copy and its product, in the order of keys that the accumulators of the scores
//             happen to have (wgmma_forward_transpose.cuh), so that probabilities need no exchange between threads.
//             They are 2^8 times too large before they are rounded to e4m3, and so is their sum.  Both products are
//             summed in the tensor core ("fast accumulation", about 14 bits).  The factors of q and k are in the scale
//             of the scores, that of v in the division by the sum.  The producer's warpgroup keeps 56 registers,
//             consumers take 224.
// Output      Through the warp's own rows of q's buffer: stmatrix, then a bulk store per 16 rows; at a sequence's
//             ragged end, 16-byte stores of the rows that exist.  8 bits: through a buffer of its own, o being bf16.
// Rows        Tensor maps span the rows of all sequences, packed or equally long: a tile may read into the next
//             sequence, whose keys are masked and whose output rows are not stored.  (As everywhere, a hidden value
//             must be finite: its weight is zero, not absent.)
//
// Tile        128 queries x 128 keys, 64 keys where value_dim is above 128; 2 stages of k and of v, 4 of each at 64
//             dimensions, 3 of v at 128; 8 bits: 4 stages of each
// Shared      64: 160 KiB; 128: 224 KiB; 192/128: 208 KiB; 256: 192 KiB: one CTA per multiprocessor; 8 bits: 64: 176
//             KiB, 128: 192 KiB, 256: 224 KiB
// Shapes      head_dim and value_dim up to 256, multiples of 8 (64/64, 128/128, 192/128, 256/256 run at full width,
//             others as the next wider); any lengths, zero included, below 2^30; causal (bottom-right), sliding window,
//             packed sequences, grouped heads; arrays aligned to 16 bytes.  8 bits: multiples of 16; 64/64, 128/128,
//             256/256
// Expected    At 128 dimensions a key tile takes the tensor cores 2048 clocks, MUFU 1024, shared memory 1792, so the
//             tensor cores bound: see wgmma_forward_model.h.  In e4m3 the tensor cores take 1024, as MUFU does,
//             and shared memory 1152 (the transpose has 256 of them): half the time at best.  Not yet run on a GPU.
// Source      Written for this project.  The scheme is published: FlashAttention-3 (arXiv 2407.08608); cuDNN's open
//             sm_90 kernel for the turns around exponentials (no code taken).
#pragma once
#include <cuda_runtime.h>

#include "kernels/attention/sm90/wgmma_forward_params.h"
#include "kernels/attention/sm90/wgmma_forward_products.cuh"
#include "kernels/attention/sm90/wgmma_forward_rows.cuh"
#include "kernels/attention/sm90/wgmma_forward_tile.h"
#include "kernels/attention/sm90/wgmma_forward_transpose.cuh"
#include "kernels/common/pipeline_state.h"
#include "kernels/common/ptx/fence.cuh"
#include "kernels/common/ptx/mbarrier.cuh"
#include "kernels/common/ptx/shared_address.cuh"
#include "kernels/common/ptx/tma.cuh"
#include "kernels/common/ptx/warpgroup.cuh"
#include "kernels/common/ptx/wgmma.cuh"

namespace assay::sm90_attention {

constexpr int kThreads = WgmmaSm90ForwardTile<64, 64>::kThreads;  // the same in all

/// A ring's barriers; a stage is full when its bytes have come, empty when every consumer warp has handed it back.
template <int kStages>
struct Ring {
  std::uint32_t full, empty;  // addresses of the first stage's
  PipelineState<kStages> state;

  __device__ Ring(std::uint64_t (&full_)[kStages], std::uint64_t (&empty_)[kStages])
      : full(ptx::shared_address(full_)), empty(ptx::shared_address(empty_)) {}
  /// Producer: the next stage's barrier, once the stage is empty and `bytes` are announced.
  __device__ __forceinline__ std::uint32_t acquire(std::uint32_t bytes) const {
    ptx::mbarrier_wait(empty + state.stage * 8, state.parity ^ 1);
    ptx::mbarrier_arrive_expect_tx(full + state.stage * 8, bytes);
    return full + state.stage * 8;
  }
  /// Consumers.
  __device__ __forceinline__ void wait() const { ptx::mbarrier_wait(full + state.stage * 8, state.parity); }
  __device__ __forceinline__ void hand_back(int stage) const {
    if (threadIdx.x % 32 == 0) ptx::mbarrier_arrive(empty + stage * 8);
  }
  __device__ __forceinline__ void release() {
    hand_back(state.stage);
    state.advance();
  }
};

/// All rings of a CTA, as one role sees them: what it waits for of v (consumers: full), and what it hands back.
template <class I>
struct Rings {
  Ring<I::kQBuffers> q;
  Ring<I::kKStages> k;
  Ring<I::kVStages> v;
  __device__ Rings(typename I::Shared& s, std::uint64_t (&v_full)[I::kVStages])
      : q(s.q_full, s.q_empty), k(s.k_full, s.k_empty), v(v_full, s.v_empty) {}
};

/// The barriers that tell consumers of values they can multiply.
template <class I>
__device__ __forceinline__ std::uint64_t (&usable_values(typename I::Shared& s))[I::kVStages] {
  if constexpr (I::kEightBits)
    return s.v_ready;
  else
    return s.v_full;
}

// ---- producer -----------------------------------------------------------------------------------------------------
/// Starts the copy of a tile, panel by panel.
template <int kPanels, int kPanelBytes, int kPanelElements>
__device__ __forceinline__ void load_tile(const void* tile, const CUtensorMap& map, std::uint32_t full, int head,
                                          int row) {
#pragma unroll
  for (int panel = 0; panel < kPanels; ++panel)
    ptx::tma_load(ptx::shared_address(tile) + panel * kPanelBytes, map, full, panel * kPanelElements, head, row);
}

/// Run by one thread.  Copies are started in the order in which the consumers wait for them.
template <class I>
__device__ __forceinline__ void produce(const WgmmaSm90ForwardParams& p, typename I::Shared& shared) {
  Rings<I> rings(shared, shared.v_full);
  AttentionSchedule::Cursor cursor(p.schedule, blockIdx.x, gridDim.x);
  for (AttentionWork work; cursor.next(work);) {
    const AttentionKeyTiles keys = key_tiles(work.tile, I::kKeys, p.causal, p.window);
    if (keys.begin == keys.end) continue;
    const int kv_head = work.head / p.group;
    const auto load_k = [&](int tile) {
      load_tile<I::kQPanels, I::kKeyPanelBytes, I::kPanelElements>(shared.k[rings.k.state.stage], p.map_k,
                                                                   rings.k.acquire(I::kKBytes), kv_head,
                                                                   work.tile.kv_row + tile * I::kKeys);
      rings.k.state.advance();
    };
    load_tile<I::kQPanels, I::kQPanelBytes, I::kPanelElements>(shared.q[rings.q.state.stage], p.map_q,
                                                               rings.q.acquire(I::kQBytes), work.head, work.tile.q_row);
    rings.q.state.advance();
    load_k(keys.end - 1);
    for (int tile = keys.end - 1; tile >= keys.begin; --tile) {
      if (tile > keys.begin) load_k(tile - 1);
      load_tile<I::kVPanels, I::kKeyPanelBytes, I::kPanelElements>(shared.v[rings.v.state.stage], p.map_v,
                                                                   rings.v.acquire(I::kVBytes), kv_head,
                                                                   work.tile.kv_row + tile * I::kKeys);
      rings.v.state.advance();
    }
  }
}

/// Run by kTransposers warps: transposes every tile of 8-bit values between its copy and its product.
template <class I>
__device__ __forceinline__ void transpose(const WgmmaSm90ForwardParams& p, typename I::Shared& shared, int warp) {
  Ring<I::kVStages> ring(shared.v_full, shared.v_ready);
  AttentionSchedule::Cursor cursor(p.schedule, blockIdx.x, gridDim.x);
  for (AttentionWork work; cursor.next(work);) {
    const AttentionKeyTiles keys = key_tiles(work.tile, I::kKeys, p.causal, p.window);
    for (int tile = keys.begin; tile < keys.end; ++tile) {
      ring.wait();
      transpose_values<I::kValueDim, I::kTransposers>(ptx::shared_address(shared.v[ring.state.stage]), warp);
      ptx::fence_proxy_async();  // wgmma reads what ordinary stores wrote
      __syncwarp();
      ring.release();
    }
  }
}

// ---- consumers ----------------------------------------------------------------------------------------------------
template <int kCount>
__device__ __forceinline__ void rescale_output(float (&o)[kCount], const float (&rescale)[2]) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) o[i] *= rescale[i / 2 % 2];
}

/// A consumer warpgroup: 64 rows of every query tile of its CTA.
template <class I>
struct Consumer {
  const WgmmaSm90ForwardParams& p;
  typename I::Shared& shared;
  Rings<I> rings;
  std::uint32_t probabilities[I::kKeySteps][4];
  const int index, row;            // the warpgroup's; the thread's first row in the query tile
  float o[I::kValueDim / 2] = {};  // the first wgmma ignores them; where undefined, nvcc 12 serialises all (C7515)
  int q_to_release = -1;           // a buffer of q that o may still be leaving; 8 bits: o has its own
  const float scale;               // of 8-bit scores, see scale_log2

  __device__ Consumer(const WgmmaSm90ForwardParams& params, typename I::Shared& s)
      : p(params),
        shared(s),
        rings(s, usable_values<I>(s)),
        index(threadIdx.x / 128 - 1),
        row(index * 64 + threadIdx.x / 32 % 4 * 16 + threadIdx.x % 32 / 4),
        scale(I::kEightBits ? params.scale_log2 * __ldg(params.q_scale) * __ldg(params.k_scale) : 0.f) {}

  __device__ __forceinline__ float scale_log2() const { return I::kEightBits ? scale : p.scale_log2; }

  __device__ __forceinline__ int warp_row() const { return row - static_cast<int>(threadIdx.x) % 32 / 4; }

  /// The warpgroups start their products by turns, so that the softmax of one runs beside the products of the other.
  __device__ __forceinline__ void begin_turn() const { ptx::barrier_sync(1 + index, 128 * I::kConsumers); }
  __device__ __forceinline__ void end_turn() const { ptx::barrier_arrive(2 - index, 128 * I::kConsumers); }

  // Addresses of the current stages, the same in all lanes: see warp_uniform.
  __device__ __forceinline__ std::uint32_t keys_address() const {
    return ptx::warp_uniform(ptx::shared_address(shared.k[rings.k.state.stage]));
  }
  __device__ __forceinline__ std::uint32_t values_address() const {
    return ptx::warp_uniform(ptx::shared_address(shared.v[rings.v.state.stage]));
  }

  /// Waits for the scores, while `kPending` later groups may still run, and hands their keys back.
  template <int kPending>
  __device__ __forceinline__ void finish_scores(float (&s)[I::kKeys / 2]) {
    ptx::wgmma_wait<kPending>();
    ptx::wgmma_registers_fence(s);
    rings.k.release();
  }
  __device__ __forceinline__ void finish_output() {
    ptx::wgmma_wait<0>();
    ptx::wgmma_registers_fence(o);
    rings.v.release();
  }

  /// The scores of `tile` and the output of the one to its right; softmax runs beside the latter.
  template <bool kMasked>
  __device__ __forceinline__ void step(Softmax& softmax, const Mask& mask, std::uint32_t q, int tile, bool first,
                                       bool last) {
    float s[I::kKeys / 2], rescale[2];
    const std::uint32_t k = keys_address(), v = values_address();
    begin_turn();
    start_scores<I>(s, q, k);
    rings.v.wait();
    start_output<I>(o, probabilities, v, !first);  // the first replaces what the last query tile left
    end_turn();
    finish_scores<1>(s);
    if constexpr (kMasked) mask.apply(s, tile * I::kKeys);
    softmax.template update<kMasked, I::kWeightExponent>(s, rescale, scale_log2());
    // ptxas would put the wait for the output before the softmax, were they in one block of instructions: the wait for
    // the next keys, which is a loop, stands between them.
    if (!last) rings.k.wait();
    finish_output();
    // Of few key tiles is the maximum a new one; the warp's 16 rows then skip half a hundred instructions.
    if (__any_sync(0xffffffff, rescale[0] != 1 || rescale[1] != 1)) rescale_output(o, rescale);
    round_probabilities<I>(probabilities, s);
  }

  __device__ __forceinline__ void attend(const AttentionWork& work, const AttentionKeyTiles& keys) {
    Softmax softmax;
    const Mask mask(p, work.tile, row);
    rings.q.wait();
    release_q();
    const std::uint32_t q = ptx::warp_uniform(ptx::shared_address(shared.q[rings.q.state.stage]) + index * (64 * 128));
    int tile = keys.end - 1;
    {
      float s[I::kKeys / 2], rescale[2];
      rings.k.wait();
      start_scores<I>(s, q, keys_address());
      finish_scores<0>(s);
      mask.apply(s, tile * I::kKeys);
      softmax.template update<true, I::kWeightExponent>(s, rescale, scale_log2());  // nothing to rescale yet
      if (tile > keys.begin) rings.k.wait();
      round_probabilities<I>(probabilities, s);
    }
    const int first = --tile;
    const auto masked = [&keys](int t) { return t >= keys.unmasked_end || t < keys.unmasked_begin; };
    while (tile >= keys.begin) {  // masked tiles on the right, those that need no mask, a window's left edge
      for (; tile >= keys.begin && masked(tile); --tile)
        step<true>(softmax, mask, q, tile, tile == first, tile == keys.begin);
      for (; tile >= keys.begin && !masked(tile); --tile)
        step<false>(softmax, mask, q, tile, tile == first, tile == keys.begin);
    }
    rings.v.wait();
    start_output<I>(o, probabilities, values_address(), tile != first);
    if constexpr (I::kEightBits) rings.q.hand_back(rings.q.state.stage);  // o leaves another way
    finish_output();
    store(work, softmax);
    rings.q.state.advance();
  }

  /// Where the warp's 16 rows of o go through: its own rows of q, which nobody reads any more, or a buffer of their
  /// own.
  __device__ __forceinline__ const unsigned char* staging() const {
    if constexpr (I::kEightBits)
      return shared.o + warp_row() * 128;
    else
      return shared.q[rings.q.state.stage] + warp_row() * 128;
  }

  /// o / sum, and lse.
  __device__ __forceinline__ void store(const AttentionWork& work, const Softmax& softmax) {
    constexpr float kWeightFactor = 1 << I::kWeightExponent;
    const float values = I::kEightBits ? __ldg(p.v_scale) : 1.f;
    float sum[2], inverse[2];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float total = softmax.total(half);
      sum[half] = total * (1 / kWeightFactor);
      inverse[half] = total == 0 ? 0.f : values / total;  // no key in sight: o = 0
    }
    store_lse(p, work, row, softmax.max, sum, scale_log2());
    const unsigned char* staging = this->staging();
    if constexpr (I::kEightBits) {
      if (threadIdx.x % 32 == 0) ptx::tma_store_wait_read<0>();  // the last query tile has left
      __syncwarp();
    }
    stage_output<typename I::Element, I::kQPanelBytes>(ptx::shared_address(staging), o, inverse);
    ptx::fence_proxy_async();
    __syncwarp();
    const int rows = work.tile.queries - warp_row();
    if (rows < 16) {
      store_rows<I::kQPanelBytes>(p, work, warp_row(), rows, staging);
      ptx::fence_proxy_async();  // ordinary loads read it, and the next q comes by bulk copy
      __syncwarp();
    } else if (threadIdx.x % 32 == 0) {
      for (int panel = 0; panel * 64 < p.value_dim; ++panel)
        ptx::tma_store(p.map_o, ptx::shared_address(staging) + panel * I::kQPanelBytes, panel * 64, work.head,
                       work.tile.q_row + warp_row());
      ptx::tma_store_commit();
    }
    if constexpr (I::kEightBits) return;
    q_to_release = rings.q.state.stage;
    if (I::kQBuffers == 1) release_q();  // else later: the copy is not waited for
  }

  __device__ __forceinline__ void release_q() {
    if (q_to_release < 0) return;
    if (threadIdx.x % 32 == 0) ptx::tma_store_wait_read<0>();
    rings.q.hand_back(q_to_release);
    q_to_release = -1;
  }

  __device__ __forceinline__ void run() {
    AttentionSchedule::Cursor cursor(p.schedule, blockIdx.x, gridDim.x);
    if (index == 1) end_turn();  // the first turn is warpgroup 0's
    for (AttentionWork work; cursor.next(work);) {
      const AttentionKeyTiles keys = key_tiles(work.tile, I::kKeys, p.causal, p.window);
      if (keys.begin < keys.end) {
        attend(work, keys);
        continue;
      }
      const float nothing[2] = {-INFINITY, -INFINITY}, zero[2] = {0, 0};
      store_lse(p, work, row, nothing, zero, 1);
      store_zeros(p, work, warp_row(), min(work.tile.queries - warp_row(), 16));
    }
    if (index == 0) begin_turn();                         // takes warpgroup 1's last arrival along
    if (threadIdx.x % 32 == 0) ptx::tma_store_wait<0>();  // shared memory must outlive the copies from it
  }
};

// ---- the kernel ---------------------------------------------------------------------------------------------------
template <int kStages>
__device__ __forceinline__ void initialise(std::uint64_t (&barriers)[kStages], int arrivals) {
  for (int s = 0; s < kStages; ++s) ptx::mbarrier_init(ptx::shared_address(&barriers[s]), arrivals);
}
template <int kStages>
__device__ __forceinline__ void initialise(std::uint64_t (&full)[kStages], std::uint64_t (&empty)[kStages],
                                           int consumer_warps) {
  initialise(full, 1);
  initialise(empty, consumer_warps);
}

template <class I>
__device__ __forceinline__ void forward(const WgmmaSm90ForwardParams& p) {
  auto& shared = ptx::dynamic_smem<typename I::Shared>();
  if (threadIdx.x == 0) {
    initialise(shared.q_full, shared.q_empty, 4 * I::kConsumers);
    initialise(shared.k_full, shared.k_empty, 4 * I::kConsumers);
    initialise(shared.v_full, shared.v_empty, 4 * I::kConsumers);
    if constexpr (I::kEightBits) initialise(shared.v_ready, I::kTransposers);
    ptx::fence_mbarrier_init();
  }
  __syncthreads();
  if (threadIdx.x < 128) {
    ptx::setmaxnreg_dec<I::kProducerRegisters>();
    if (threadIdx.x < 32 && ptx::elect_one()) produce<I>(p, shared);
    if constexpr (I::kEightBits)
      if (threadIdx.x >= 32) transpose<I>(p, shared, threadIdx.x / 32 - 1);
  } else {
    ptx::setmaxnreg_inc<I::kConsumerRegisters>();
    Consumer<I>(p, shared).run();
  }
}

}  // namespace assay::sm90_attention
