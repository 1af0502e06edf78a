// GEMM on Hopper's tensor cores by wgmma, fed by the tensor memory accelerator; sm_90a.
//
// Algorithm   Persistent, warp-specialised.  One thread of the producer warpgroup keeps a ring of stages in shared
//             memory filled: it waits until a stage is empty and starts the bulk copies of a tile of a and a tile of b,
//             whose bytes complete the stage's "full" barrier.  Two consumer warpgroups own 64 rows of the CTA's tile
//             of d each: they multiply from shared memory by wgmma, accumulate in fp32 registers, keep one group of
//             wgmma in flight, and hand a stage back one k tile after its use.  While they store a tile, the producer
//             already loads the next.  In a cluster of two, the CTAs share the operand of their common rows or columns:
//             each loads half of it and multicasts it to both.  A tile may be cut into slices of k (see DenseSchedule):
//             every slice leaves its accumulators in memory, and the one that arrives last adds them up, in order, so
//             that results do not depend on who that was.
// Layouts     Operands keep the order they have in memory, k contiguous ("k-major") or m or n contiguous ("mn-major"):
//             wgmma reads either.  All tiles have rows of 128 bytes under the 128-byte swizzle.
// Output      16 bits: stmatrix into swizzled shared memory, 64 columns at a time and double-buffered, out by bulk
//             stores.  fp32: the same with 32 columns; where d is added to, its old values come straight from L2, into
//             which the producer has prefetched them, to the registers of the accumulators' owners.
// Resources   384 threads, launched with 168 registers: the producer keeps 40, the consumers take 232 (40 + 2 * 232 =
//             3 * 168).  Up to 227 KiB of shared memory: one CTA per multiprocessor.
// Shapes      Any m, n, k whose rows in memory begin on 16-byte boundaries: bulk copies fill with zeros what lies
//             outside, and do not store there.
// Source      Written for this project; the scheme is that of CUTLASS's sm90 kernels and of fast.cu (no code taken).
#pragma once
#include <cuda_runtime.h>

#include "kernels/common/pipeline_state.h"
#include "kernels/common/ptx/cluster.cuh"
#include "kernels/common/ptx/convert.cuh"
#include "kernels/common/ptx/fence.cuh"
#include "kernels/common/ptx/global_access.cuh"
#include "kernels/common/ptx/mbarrier.cuh"
#include "kernels/common/ptx/shared_address.cuh"
#include "kernels/common/ptx/tma.cuh"
#include "kernels/common/ptx/warpgroup.cuh"
#include "kernels/common/ptx/wgmma.cuh"
#include "kernels/gemm/sm90/wgmma_output.cuh"
#include "kernels/gemm/sm90/wgmma_params.h"

namespace assay::sm90 {

// ---- what an instance is made of ----------------------------------------------------------------------------------
struct Bf16 {
  static constexpr ptx::WgmmaTypes kTypes = ptx::WgmmaTypes::bf16;
  static constexpr int kBytes = 2;
  __device__ static std::uint32_t pack(float low, float high) { return ptx::pack_bf16x2(low, high); }
};
struct F16 {
  static constexpr ptx::WgmmaTypes kTypes = ptx::WgmmaTypes::f16;
  static constexpr int kBytes = 2;
  __device__ static std::uint32_t pack(float low, float high) { return ptx::pack_f16x2(low, high); }
};
struct Tf32 {
  static constexpr ptx::WgmmaTypes kTypes = ptx::WgmmaTypes::tf32;
  static constexpr int kBytes = 4;
};

// Layouts, see gemm.h.
struct Tn {
  static constexpr ptx::Major kA = ptx::Major::k, kB = ptx::Major::k;
};
struct Nn {
  static constexpr ptx::Major kA = ptx::Major::k, kB = ptx::Major::mn;
};
struct Nt {  // d is always fp32
  static constexpr ptx::Major kA = ptx::Major::mn, kB = ptx::Major::mn;
};

/// A CTA's tile of d.
template <int kM_, int kN_, int kStages_>
struct Tile {
  static constexpr int kM = kM_, kN = kN_, kStages = kStages_;
};
using Tile128x256 = Tile<128, 256, 4>;
using Tile128x192 = Tile<128, 192, 4>;
using Tile128x128 = Tile<128, 128, 6>;

constexpr int kConsumers = 2;  // warpgroups, 64 rows of the tile each
constexpr int kThreads = 128 * (1 + kConsumers);

/// A CTA's shared memory.
template <class Stage, int kStages>
struct SharedMemory {
  Stage stage[kStages];
  alignas(1024) unsigned char staging[kConsumers][2][kStagingBytes];
  std::uint64_t full[kStages], empty[kStages];
  std::uint32_t slices_before[kConsumers];
};

template <class Element_, class Layout, class Tile>
struct Instance {
  using Element = Element_;
  using TileA = ptx::SwizzledTile<Layout::kA, Tile::kM, Element::kBytes>;
  using TileB = ptx::SwizzledTile<Layout::kB, Tile::kN, Element::kBytes>;
  static constexpr ptx::Major kMajorA = Layout::kA, kMajorB = Layout::kB;
  static constexpr int kM = Tile::kM, kN = Tile::kN, kStages = Tile::kStages;
  static constexpr int kTileK = TileA::kTileK;
  static constexpr bool kStores16 = Element::kBytes == 2 && Layout::kA == ptx::Major::k;
  static_assert(kM == 64 * kConsumers);

  struct Stage {
    alignas(1024) unsigned char a[TileA::kBytes];
    alignas(1024) unsigned char b[TileB::kBytes];
  };
  using Shared = SharedMemory<Stage, kStages>;
  static constexpr std::uint32_t kStageBytes = TileA::kBytes + TileB::kBytes;
};

/// This CTA's place in the grid: CTAs of a cluster have neighbouring block indices.
template <class I, class Schedule>
__device__ __forceinline__ WgmmaPlace place_of_cta(const WgmmaSm90Params<Schedule>& p) {
  const int size = p.cluster_m * p.cluster_n;
  return {static_cast<int>(blockIdx.x) / size,
          static_cast<int>(gridDim.x) / size,
          static_cast<int>(ptx::cluster_rank()),
          p.cluster_m,
          p.cluster_n,
          I::kM,
          I::kN,
          I::kTileK};
}

// ---- producer -----------------------------------------------------------------------------------------------------
/// Starts the copies of one operand's tile, which `parts` CTAs of the cluster share: each loads one part for all. Parts
/// are one or two, so that none but the second, halfway, begins elsewhere: dividing by `parts` would cost 150 clocks.
template <class OperandTile, ptx::Major kMajor, int kExtent>
__device__ __forceinline__ void load_operand(const CUtensorMap& map, std::uint32_t tile, std::uint32_t full, int mn,
                                             int k, int parts, int part) {
  const auto load = [&](std::uint32_t shared, int x, int y) {
    if (parts == 1)
      ptx::tma_load(shared, map, full, x, y);
    else
      ptx::tma_load_multicast(shared, map, full, x, y, static_cast<std::uint16_t>((1 << parts) - 1));
  };
  if constexpr (kMajor == ptx::Major::k) {
    const int first = part * (kExtent / 2);
    load(tile + first * 128, k, mn + first);
  } else {  // every panel is split along k, so that any number of panels can be
    const int first = part * (OperandTile::kTileK / 2);
#pragma unroll
    for (int panel = 0; panel < OperandTile::kPanels; ++panel)
      load(tile + panel * OperandTile::kPanelBytes + first * 128, mn + panel * OperandTile::kRowElements, k + first);
  }
}

/// Brings the tile of d that will be added to into L2, a box per k tile, so that the last is asked for with the last k.
template <class I, class Schedule>
__device__ __forceinline__ void prefetch_output(const WgmmaSm90Params<Schedule>& p, const WgmmaWork& work, int k_tile,
                                                int& done) {
  constexpr int kColumns = I::kN / 32;
  const int due = kColumns * kConsumers - (work.k_tiles - 1 - k_tile);
  for (; done < due; ++done)
    ptx::tma_prefetch_l2(p.map_d, work.n + done % kColumns * 32, work.m + done / kColumns * 64);
}

/// Run by one thread.
template <class I, class Schedule, class Arithmetic>
__device__ __forceinline__ void produce(const WgmmaSm90Params<Schedule>& p, typename I::Shared& shared,
                                        const Arithmetic& arithmetic) {
  const WgmmaPlace place = place_of_cta<I>(p);
  ptx::tma_prefetch(p.map_a);
  ptx::tma_prefetch(p.map_b);
  ptx::tma_prefetch(p.map_d);
  typename Schedule::Cursor cursor(p.schedule, place);
  PipelineState<I::kStages> ring;
  for (WgmmaWork work; cursor.next(work);) {
    int prefetched = 0;
    for (int i = 0; i < work.k_tiles; ++i, ring.advance()) {
      typename I::Stage& stage = shared.stage[ring.stage];
      const std::uint32_t full = ptx::shared_address(&shared.full[ring.stage]);
      const int k = work.k + i * I::kTileK;
      // All CTAs that a multicast reaches must have left the stage; their consumers have arrived here.  They pass no
      // data on: at cluster scope the wait would only cost an invalidation of L1.
      ptx::mbarrier_wait(ptx::shared_address(&shared.empty[ring.stage]), ring.parity ^ 1);
      ptx::mbarrier_arrive_expect_tx(full, I::kStageBytes);
      load_operand<typename I::TileA, I::kMajorA, I::kM>(p.map_a, ptx::shared_address(stage.a), full, work.a_mn, k,
                                                         p.cluster_n, place.along_n());
      load_operand<typename I::TileB, I::kMajorB, I::kN>(p.map_b, ptx::shared_address(stage.b), full, work.b_mn,
                                                         work.b_k + k, p.cluster_m, place.along_m());
      arithmetic.load(stage, full, work, k);
      if (p.output == WgmmaOutput::add_f32) prefetch_output<I>(p, work, i, prefetched);
    }
  }
}

// ---- consumers ----------------------------------------------------------------------------------------------------
/// Starts the multiplication of a stage by the consumer's 64 rows, as one group of wgmma.
template <class I>
__device__ __forceinline__ void multiply_stage(float (&d)[I::kN / 2], const typename I::Stage& stage, int consumer,
                                               bool accumulate) {
  const std::uint64_t a = I::TileA::descriptor(ptx::shared_address(stage.a), consumer * 64);
  const std::uint64_t b = I::TileB::descriptor(ptx::shared_address(stage.b), 0);
  ptx::wgmma_fence();
#pragma unroll
  for (int step = 0; step < I::TileA::kSteps; ++step)
    ptx::wgmma<I::Element::kTypes, I::kN, I::kMajorA, I::kMajorB>(
        d, a + step * I::TileA::kDescriptorStep, b + step * I::TileB::kDescriptorStep, step > 0 || accumulate);
  ptx::wgmma_commit();
}

/// Tells every CTA that filled a part of the stage that this warp has read it; `empty` is the stage's barrier.
__device__ __forceinline__ void release_stage(std::uint32_t empty, int cluster_size) {
  const int lane = threadIdx.x % 32;
  if (lane < cluster_size) ptx::mbarrier_arrive_remote(empty, lane);
}

/// What happens between the stages and the store, and what else a stage holds; kernels with scale factors derive from
/// it.
template <class I>
struct Unscaled {
  /// Starts whatever further copies the stage's kStageBytes count; `k` is its first element.
  __device__ void load(typename I::Stage&, std::uint32_t /* full */, const WgmmaWork&, int /* k */) const {}

  /// d = the product over the work's stages of k.
  __device__ __forceinline__ void multiply(float (&d)[I::kN / 2], typename I::Shared& shared,
                                           PipelineState<I::kStages>& ring, const WgmmaWork& work, int consumer,
                                           int cluster_size) const {
    std::uint32_t previous = 0;
    for (int i = 0; i < work.k_tiles; ++i, ring.advance()) {
      ptx::mbarrier_wait(ptx::shared_address(&shared.full[ring.stage]), ring.parity);
      multiply_stage<I>(d, shared.stage[ring.stage], consumer, i > 0);
      ptx::wgmma_wait<1>();  // the stage before this one has been read
      if (i > 0) release_stage(previous, cluster_size);
      previous = ptx::shared_address(&shared.empty[ring.stage]);
    }
    ptx::wgmma_wait<0>();
    ptx::wgmma_registers_fence(d);
    release_stage(previous, cluster_size);
  }

  /// Once per tile, on the sum over all k.
  __device__ void finish(float (&)[I::kN / 2]) const {}
};

/// Leaves this slice's accumulators in memory.  True in the warpgroup that is the last of its tile's slices to do so:
/// it then holds the sum of all.
template <class I, class Schedule>
__device__ __forceinline__ bool add_slices(const WgmmaSm90Params<Schedule>& p, float (&d)[I::kN / 2],
                                           typename I::Shared& shared, const WgmmaWork& work, int rank, int consumer) {
  constexpr int kVectors = I::kN / 8;  // of four floats, per thread
  const int thread = threadIdx.x % 128;
  const std::int64_t tile =
      (std::int64_t(work.sliced_tile) * (p.cluster_m * p.cluster_n) + rank) * kConsumers + consumer;
  float4* sums = reinterpret_cast<float4*>(p.partial_sums) + tile * work.slices * (kVectors * 128) + thread;
  float4* own = sums + work.slice * (kVectors * 128);
#pragma unroll
  for (int i = 0; i < kVectors; ++i)
    ptx::store_global_l2(own + i * 128, make_float4(d[4 * i], d[4 * i + 1], d[4 * i + 2], d[4 * i + 3]));
  ptx::barrier_sync(1 + consumer, 128);
  if (thread == 0) shared.slices_before[consumer] = ptx::atomic_add_acq_rel(p.arrived + tile, 1);
  ptx::barrier_sync(1 + consumer, 128);
  if (shared.slices_before[consumer] + 1 < static_cast<unsigned>(work.slices)) return false;
  if (thread == 0) p.arrived[tile] = 0;  // for the next launch
#pragma unroll
  for (int i = 0; i < I::kN / 2; ++i) d[i] = 0;
  for (int slice = 0; slice < work.slices; ++slice, sums += kVectors * 128)
#pragma unroll
    for (int i = 0; i < kVectors; ++i) {
      const float4 sum = ptx::load_global_l2(sums + i * 128);
      d[4 * i] += sum.x, d[4 * i + 1] += sum.y, d[4 * i + 2] += sum.z, d[4 * i + 3] += sum.w;
    }
  return true;
}

template <class I, class Schedule, class Arithmetic>
__device__ __forceinline__ void consume(const WgmmaSm90Params<Schedule>& p, typename I::Shared& shared,
                                        const Arithmetic& arithmetic) {
  const WgmmaPlace place = place_of_cta<I>(p);
  const int consumer = threadIdx.x / 128 - 1;
  typename Schedule::Cursor cursor(p.schedule, place);
  PipelineState<I::kStages> ring;
  Staging staging(shared.staging[consumer], consumer);
  float d[I::kN / 2] = {};  // the first wgmma of a tile ignores them; where undefined, nvcc 12 serialises all (C7515)
  for (WgmmaWork work; cursor.next(work);) {
    arithmetic.multiply(d, shared, ring, work, consumer, p.cluster_m * p.cluster_n);
    if (work.slices > 1 && !add_slices<I>(p, d, shared, work, place.rank, consumer)) continue;
    arithmetic.finish(d);
    const int row = work.m + consumer * 64;
    if constexpr (I::kStores16)
      if (p.output == WgmmaOutput::store_16) {
        store_16<I>(p.map_d, staging, d, row, work.n);
        continue;
      }
    store_f32<I>(p, staging, d, row, work.n);
  }
  if (threadIdx.x % 128 == 0) ptx::tma_store_wait<0>();  // shared memory must outlive the copies from it
}

// ---- the kernel ---------------------------------------------------------------------------------------------------
template <class I>
__device__ __forceinline__ void initialise_barriers(typename I::Shared& shared, int cluster_size) {
  if (threadIdx.x == 0) {
    for (int s = 0; s < I::kStages; ++s) {
      ptx::mbarrier_init(ptx::shared_address(&shared.full[s]), 1);
      ptx::mbarrier_init(ptx::shared_address(&shared.empty[s]), cluster_size * kConsumers * 4);  // consumer warps
    }
    ptx::fence_mbarrier_init();
  }
  ptx::cluster_arrive();
  ptx::cluster_wait();
}

/// All of a kernel.  `Schedule` (with its Cursor) deals out the work, `arithmetic` is Unscaled or derived from it.
template <class I, class Schedule, class Arithmetic>
__device__ __forceinline__ void run(const WgmmaSm90Params<Schedule>& p, const Arithmetic& arithmetic) {
  auto& shared = ptx::dynamic_smem<typename I::Shared>();
  initialise_barriers<I>(shared, p.cluster_m * p.cluster_n);
  if (threadIdx.x < 128) {
    ptx::setmaxnreg_dec<40>();
    if (threadIdx.x < 32 && ptx::elect_one()) produce<I>(p, shared, arithmetic);
    __syncwarp();
  } else {
    ptx::setmaxnreg_inc<232>();
    consume<I>(p, shared, arithmetic);
  }
  ptx::cluster_arrive();  // stay while the other CTA may still signal barriers here
  ptx::cluster_wait();
}

template <class Element, class Layout, class Tile, class Schedule>
__global__ void __launch_bounds__(kThreads, 1) wgmma_sm90(const __grid_constant__ WgmmaSm90Params<Schedule> p) {
  using I = Instance<Element, Layout, Tile>;
  run<I>(p, Unscaled<I>());
}

}  // namespace assay::sm90
