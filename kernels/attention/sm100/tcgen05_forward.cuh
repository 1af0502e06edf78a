// Attention forward on Blackwell's tensor cores by tcgen05, scores and outputs in tensor memory; sm_100a and sm_103a,
// bf16, fp16 and e4m3.
//
// Algorithm   FlashAttention's: for each query the maximum of its scores so far, the sum of exp(score - maximum), and
//             o = sum exp(score - maximum) v; a new maximum rescales sum and o; at the end o / sum and lse.
// Roles       A persistent CTA holds 256 queries of a head, in two halves of 128.  Warps 0-3 and 4-7: softmax of a
//             half, a thread per row.  Warps 8-11, correction: rescale o, divide it by the sum and bring it out.
//             Warp 12: one thread issues all products.  Warp 13: one thread starts all copies.  14 and 15 idle.
// Turns       Scores of the next tile are issued behind the output of this one, half by half: while one half's
//             products run, the other half has its softmax.  The output begins when the weights of three quarters of
//             the keys are there.  Both halves share the copies of k and v.
// Memory      512 columns of tensor memory: scores of the halves at 0 and 128, outputs at 256 and 384.  Weights,
//             rounded, take the place of their scores, and are the second product's operand there.
// Rescaling   o is rescaled only where a row's maximum grew by more than 8 (log2) since the last time; exact (Softmax).
// Exponentials  On sm_100 a quarter of them, in tiles without a mask, comes from a polynomial of degree 5 on the FMA
//             units: MUFU, 16 a clock, would take as long as the tensor cores.  On sm_103, whose MUFU is faster, none.
// 8 bits      The same with twice the elements in a step; v is read dimension by dimension as in 16 bits, in panels of
//             128.  Weights start at 2^8, so that small ones do not vanish, and o is rescaled where a maximum grew by
//             more than 0.8, for they must stay below e4m3's 448.  The factors of q and k are in the scale of the
//             scores, that of v in the division by the sum.
// Masks       Tiles that need one (the diagonal, ragged ends, a window's left edge) are a loop of their own, first.
//             Each half walks over the tiles that it sees alone; all heads' query tiles are dealt out longest first
//             (cuda/forward_schedule.h).
// Rows        Tensor maps span the rows of all sequences, packed or equally long: a tile may read into the next
//             sequence, whose keys are masked and whose output rows are not stored.  (As everywhere, a hidden value
//             must be finite: its weight is zero, not absent.)
// Hazard      Scores overwrite weights that the product issued before them reads: products of one thread run in order.
//             The PTX ISA promises that for products of one shape and accumulator; published kernels rely on more.
//
// Tile        256 queries x 128 keys; a ring of k and v by turns: 8 stages (64), 4 (128), 2 (192/128); 8 bits: 8
//             (128), 4 (192/128)
// Shared      64: 179 KiB; 128 and 192/128: 227 KiB: one CTA per multiprocessor; 8 bits: 195 and 227 KiB
// Registers   512 threads start with 128; softmax takes 200, correction 72, the others 40.  No spills.
// Shapes      head_dim up to 192 and value_dim up to 128, multiples of 8 (64/64, 128/128, 192/128 run at full width,
//             others as the next wider); any lengths, zero included, below 2^30; causal (bottom-right), sliding window,
//             packed sequences, grouped heads; arrays aligned to 16 bytes.  8 bits: multiples of 16, as 128/128 or
//             192/128
// Expected    At 128 dimensions a key tile takes the tensor cores 2048 clocks (two halves, two products of 128 x 128 x
//             128 each), MUFU 1536, issue 1472, shared memory 2048: tensor cores and shared memory bound it, at 2.24
//             PFLOP/s on a B200 of 1.85 GHz; 1.97 with what the halves do not hide of each other's turns, an
//             assumption (tcgen05_forward_model.h).  In e4m3 tensor cores and shared memory take 1024, and
//             exponentials, 1536, bound it.  Not yet run on a GPU.
// Source      Written for this project from the PTX ISA.  The scheme is published: FlashAttention-4 (arXiv 2603.05451).
#pragma once
#include <cuda_runtime.h>

#include "kernels/attention/sm100/tcgen05_forward_issue.cuh"
#include "kernels/attention/sm100/tcgen05_forward_params.h"
#include "kernels/attention/sm100/tcgen05_forward_rows.cuh"
#include "kernels/attention/sm100/tcgen05_forward_tile.h"
#include "kernels/common/pipeline_state.h"
#include "kernels/common/ptx/fence.cuh"
#include "kernels/common/ptx/mbarrier.cuh"
#include "kernels/common/ptx/packed_f32.cuh"
#include "kernels/common/ptx/shared_address.cuh"
#include "kernels/common/ptx/tcgen05.cuh"
#include "kernels/common/ptx/tma.cuh"
#include "kernels/common/ptx/warpgroup.cuh"

namespace assay::sm100_attention {

// ---- softmax ------------------------------------------------------------------------------------------------------
/// A warpgroup: the rows of one half of every unit.
template <class I>
struct SoftmaxRole {
  const Tcgen05Sm100ForwardParams& p;
  typename I::Shared& shared;
  const int h, row;
  const std::uint32_t scores;  // the warp's lanes
  const float scale;           // of 8-bit scores, see scale_log2
  int tiles = 0;               // begun so far, over all units: phases of the barriers follow from it

  __device__ SoftmaxRole(const Tcgen05Sm100ForwardParams& params, typename I::Shared& s, std::uint32_t memory)
      : p(params),
        shared(s),
        h(threadIdx.x / 128),
        row(threadIdx.x % 128),
        scores(memory + h * I::kHalfColumns + (row / 32 * 32 << 16)),
        scale(I::kEightBits ? params.scale_log2 * __ldg(params.q_scale) * __ldg(params.k_scale) : 0.f) {}

  __device__ __forceinline__ float scale_log2() const { return I::kEightBits ? scale : p.scale_log2; }

  /// Tells the correction warps what to multiply the row's output by: in each tile but the first before its weights are
  /// added, and at the end.  As many messages as tiles, two places by turns.
  __device__ __forceinline__ void send(float factor, int message) {
    shared.message[h][message % 2][row] = factor;
    warp_arrive(&shared.message_full[h][message % 2]);
  }

  template <bool kMasked>
  __device__ __forceinline__ void step(Softmax<typename I::Element>& softmax, const Mask& mask, int tile, bool first) {
    Scores s;
    ptx::mbarrier_wait(shared_address(&shared.scores_full[h]), tiles++ % 2);
    ptx::tcgen05_fence_after_thread_sync();
#pragma unroll
    for (int i = 0; i < 4; ++i) ptx::tcgen05_ld_32x32b_x32(s[i], scores + i * 32);
    ptx::tcgen05_wait_ld(s);
    if constexpr (kMasked) mask.apply(s, tile * I::kKeys);
    const float rescale = softmax.follow_maximum(s, scale_log2());
    if (!first) send(rescale, tiles - 2);  // early: the output is rescaled while weights are computed
#pragma unroll
    for (int part = 0; part < 4; ++part) {
      std::uint32_t weights[8 * I::kElementBytes];
      softmax.template weigh<kMasked>(weights, s, part * 32, scale_log2());
      if constexpr (I::kEightBits)
        ptx::tcgen05_st_32x32b_x8(scores + part * 8, weights);
      else
        ptx::tcgen05_st_32x32b_x16(scores + part * 16, weights);
      if (part < 2) continue;
      ptx::tcgen05_wait_st();
      ptx::tcgen05_fence_before_thread_sync();
      warp_arrive(part == 2 ? &shared.product_ready[h] : &shared.weights_full[h]);  // the product begins meanwhile
    }
  }

  /// Masked tiles on the right, those that need no mask, and once more masked ones: a window's left edge.
  __device__ __forceinline__ void attend(const AttentionQueryTile& half, const AttentionKeyTiles& keys, int head) {
    Softmax<typename I::Element> softmax;
    const Mask mask(p, half, row);
    int tile = keys.end - 1;
    const auto masked = [&keys](int t) { return t >= keys.unmasked_end || t < keys.unmasked_begin; };
    do {
      for (; tile >= keys.begin && masked(tile); --tile) step<true>(softmax, mask, tile, tile == keys.end - 1);
      for (; tile >= keys.begin && !masked(tile); --tile) step<false>(softmax, mask, tile, tile == keys.end - 1);
    } while (tile >= keys.begin);
    send(I::kEightBits ? softmax.inverse() * __ldg(p.v_scale) : softmax.inverse(), tiles - 1);
    if (row < half.queries) lse_rows(p, half, head)[row] = softmax.lse();
  }

  __device__ __forceinline__ void run() {
    Units<I> units(p);
    for (AttentionWork unit; units.next(unit);) {
      const AttentionQueryTile half = half_of(unit.tile, h);
      const AttentionKeyTiles keys = half_keys(half, I::kKeys, p.causal, p.window);
      if (keys.begin < keys.end) attend(half, keys, unit.head);
    }
  }
};

// ---- correction ---------------------------------------------------------------------------------------------------
/// A warpgroup: rescales the outputs of both halves, and brings them out.  Each warp has its 32 rows, and needs no
/// other.
template <class I>
struct Correction {
  const Tcgen05Sm100ForwardParams& p;
  typename I::Shared& shared;
  const int warp, lane;
  const std::uint32_t outputs;  // the warp's lanes
  int received[2] = {0, 0};     // messages
  PipelineState<1> full[2];

  __device__ Correction(const Tcgen05Sm100ForwardParams& params, typename I::Shared& s, std::uint32_t memory)
      : p(params),
        shared(s),
        warp(threadIdx.x / 32 % 4),
        lane(threadIdx.x % 32),
        outputs(memory + I::kOutput + (warp * 32 << 16)) {}

  __device__ __forceinline__ float receive(int h) {
    const int message = received[h]++;
    ptx::mbarrier_wait(shared_address(&shared.message_full[h][message % 2]), message / 2 % 2);
    return shared.message[h][message % 2][warp * 32 + lane];
  }

  __device__ __forceinline__ void load(std::uint32_t (&columns)[1][32], int h, int chunk) {
    ptx::tcgen05_ld_32x32b_x32(columns[0], outputs + h * I::kHalfColumns + chunk * 32);
    ptx::tcgen05_wait_ld(columns);
  }

  __device__ __forceinline__ void rescale(int h, float factor) {
    ptx::tcgen05_fence_after_thread_sync();  // the scores that the factor comes from are later than the last product
#pragma unroll 1
    for (int chunk = 0; chunk < I::kValueDim / 32; ++chunk) {
      std::uint32_t o[1][32];
      load(o, h, chunk);
#pragma unroll
      for (int i = 0; i < 32; i += 2) {
        const float2 scaled =
            ptx::mul_f32x2(make_float2(__uint_as_float(o[0][i]), __uint_as_float(o[0][i + 1])), both(factor));
        o[0][i] = __float_as_uint(scaled.x), o[0][i + 1] = __float_as_uint(scaled.y);
      }
#pragma unroll
      for (int i = 0; i < 32; i += 16)
        ptx::tcgen05_st_32x32b_x16(outputs + h * I::kHalfColumns + chunk * 32 + i, &o[0][i]);
    }
    ptx::tcgen05_wait_st();
  }

  /// Lets the output of this tile be added; before the first one, says that the last unit's has been read.
  __device__ __forceinline__ void correct(int h, bool first) {
    if (!first) {
      const float factor = receive(h);
      if (__any_sync(0xffffffff, factor != 1)) rescale(h, factor);
    }
    ptx::tcgen05_fence_before_thread_sync();
    warp_arrive(&shared.product_ready[h]);
  }

  __device__ __forceinline__ void stage(unsigned char* staging, int h, float factor) {
#pragma unroll 1
    for (int chunk = 0; chunk < I::kValueDim / 32; ++chunk) {
      std::uint32_t o[1][32], words[16];
      load(o, h, chunk);
#pragma unroll
      for (int i = 0; i < 16; ++i)
        words[i] = I::Element::pack(__uint_as_float(o[0][2 * i]) * factor, __uint_as_float(o[0][2 * i + 1]) * factor);
      unsigned char* panel = staging + chunk / 2 * I::kOPanelBytes;
#pragma unroll
      for (int i = 0; i < 4; ++i)
        *reinterpret_cast<uint4*>(panel + panel_offset(lane, chunk % 2 * 4 + i)) =
            make_uint4(words[4 * i], words[4 * i + 1], words[4 * i + 2], words[4 * i + 3]);
    }
  }

  __device__ __forceinline__ void store(const AttentionQueryTile& half, int head, int h) {
    unsigned char* staging = shared.o[warp];
    const int rows = half.queries - warp * 32;
    const float inverse = receive(h);
    ptx::mbarrier_wait(shared_address(&shared.output_full[h]), full[h].parity);
    full[h].advance();
    ptx::tcgen05_fence_after_thread_sync();
    if (lane == 0) ptx::tma_store_wait_read<0>();
    __syncwarp();
    stage(staging, h, inverse);
    ptx::fence_proxy_async();
    __syncwarp();
    if (rows < 32) {
      store_rows<I::kOPanelBytes>(p, output_rows(p, half, head, warp * 32), rows, staging);
      __syncwarp();
    } else if (lane == 0) {
      for (int panel = 0; panel * 64 < p.value_dim; ++panel)
        ptx::tma_store(p.map_o, shared_address(staging) + panel * I::kOPanelBytes, panel * 64, head,
                       half.q_row + warp * 32);
      ptx::tma_store_commit();
    }
  }

  __device__ __forceinline__ void run() {
    Units<I> units(p);
    for (Tcgen05Sm100ForwardWork work; units.next(work);) {
      for (int tile = work.end - 1; tile >= work.begin; --tile)
#pragma unroll
        for (int h = 0; h < 2; ++h)
          if (work.has(h, tile)) correct(h, tile == work.keys[h].end - 1);
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        if (!work.empty(h))
          store(work.half[h], work.head, h);
        else
          store_nothing_seen(p, work.half[h], work.head, warp * 32);
      }
    }
    if (lane == 0) ptx::tma_store_wait<0>();  // shared memory must outlive the copies from it
  }
};

// ---- the kernel ---------------------------------------------------------------------------------------------------
template <class I>
__device__ __forceinline__ void init_barriers(typename I::Shared& shared) {
  const auto init = [](std::uint64_t& barrier, int arrivals) {
    ptx::mbarrier_init(shared_address(&barrier), arrivals);
  };
  for (int s = 0; s < I::kStages; ++s) init(shared.full[s], 1), init(shared.empty[s], 1);
  for (int h = 0; h < 2; ++h) {
    init(shared.q_full[h], 1), init(shared.q_empty[h], 1);
    init(shared.scores_full[h], 1), init(shared.output_full[h], 1);
    init(shared.product_ready[h], 8), init(shared.weights_full[h], 4);  // warps: softmax and correction, softmax
    for (int i = 0; i < 2; ++i) init(shared.message_full[h][i], 4);
  }
  ptx::fence_mbarrier_init();
}

template <class I>
__device__ __forceinline__ void forward(const Tcgen05Sm100ForwardParams& p) {
  auto& shared = ptx::dynamic_smem<typename I::Shared>();
  const int warp = threadIdx.x / 32;
  if (threadIdx.x == 0) init_barriers<I>(shared);
  if (warp == 12) {
    ptx::tcgen05_alloc<1>(shared_address(&shared.tensor_memory), I::kColumns);
    ptx::tcgen05_relinquish_alloc_permit<1>();
  }
  ptx::tcgen05_fence_before_thread_sync();
  __syncthreads();
  ptx::tcgen05_fence_after_thread_sync();
  const std::uint32_t tensor_memory = shared.tensor_memory;

  // 512 threads are launched with 128 registers each; 200 + 200 + 72 + 40 is no more.
  if (warp < 8) {
    ptx::setmaxnreg_inc<200>();
    SoftmaxRole<I>(p, shared, tensor_memory).run();
  } else if (warp < 12) {
    ptx::setmaxnreg_dec<72>();
    Correction<I>(p, shared, tensor_memory).run();
  } else {
    ptx::setmaxnreg_dec<40>();
    if (warp == 12 && ptx::elect_one()) Multiplier<I>(p, shared, tensor_memory).run();
    if (warp == 13 && ptx::elect_one()) load<I>(p, shared);
  }

  __syncwarp();
  ptx::tcgen05_fence_before_thread_sync();
  __syncthreads();  // nobody reads tensor memory any more
  ptx::tcgen05_fence_after_thread_sync();
  if (warp == 12) ptx::tcgen05_dealloc<1>(tensor_memory, I::kColumns);
}

}  // namespace assay::sm100_attention
