// tcgen05_sm100: GEMM on Blackwell's tensor cores (sm_100a, sm_103a).  C++17.
//
// Algorithm.  Persistent CTAs in pairs (or single): warp 0 loads tiles of a and b by TMA into a ring of shared-memory
// stages, warp 1 of the pair's leader multiplies them (tcgen05.mma, one thread for both CTAs) into accumulators in
// tensor memory, warps 2 to 5 carry finished accumulators through registers and swizzled shared memory to d, again by
// TMA.  Two accumulators: the next tile is multiplied while this one leaves.
//
// Tile.  256 x 256 per pair: each CTA holds 128 rows of a and half of b (64 bytes per clock and CTA from L2 at full
// rate) and 128 rows of d.  256 x 128 per pair and 128 x 128 per CTA where tiles are few; tcgen05_config.h
// chooses.  A stage is 128 bytes along k of each row: 64, 128 or 256 elements.
//
// Layouts and formats are data (descriptors in the parameters), so that one instance serves bf16 and f16, e4m3 and
// e5m2, k-major and mn-major operands.  Instances differ in kind of instruction, tile, and what becomes of the result.
//
// Block-scaled kinds bring their factors through the same stages and copy them to tensor memory (tcgen05.cp) before
// each stage's multiplications.  At 256 x 256 the factors take the columns that the second accumulator would need: the
// two overlap by 64 (mx) or 96 (nv) columns, which the epilogue empties first.  (256 x 192 would fit, but b's factors
// come in tiles of 128 columns; one accumulator would leave the epilogue with nothing to hide behind.)
//
// Resources.  192 threads, one CTA per multiprocessor: up to 227 KiB of shared memory (6 stages of 32 KiB at 256 x 256,
// and 32 KiB to stage d), all 512 columns of tensor memory.  No spills.
//
// Shapes.  Any m, n, k whose rows of a, b and d are multiples of 16 bytes (TMA): edges are filled with zero and
// clipped.
//
// Source.  Structure after the published designs of CUTLASS's and DeepGEMM's sm_100 kernels; written from the PTX ISA.
#pragma once
#include <type_traits>

#include "kernels/common/pipeline_state.h"
#include "kernels/common/ptx/cluster.cuh"
#include "kernels/common/ptx/convert.cuh"
#include "kernels/common/ptx/fence.cuh"
#include "kernels/common/ptx/mbarrier.cuh"
#include "kernels/common/ptx/shared_address.cuh"
#include "kernels/common/ptx/tcgen05.cuh"
#include "kernels/common/ptx/tma.cuh"
#include "kernels/common/ptx/warpgroup.cuh"
#include "kernels/gemm/cuda/raster.cuh"
#include "kernels/gemm/sm100/tcgen05_params.h"
#include "kernels/gemm/sm100/tcgen05_shape.h"

namespace assay {

using ptx::shared_address;

// ---- work ---------------------------------------------------------------------------------------------------------
/// A tile of d and the part of k summed for it.
struct Tcgen05Work {
  int row, column;  // of the tile, in tiles
  int k_begin, k_end;
};

/// All roles of both CTAs walk the same items: `first` + `stride` * i.
__device__ __forceinline__ Tcgen05Work tcgen05_work(const Tcgen05Sm100Params& p, int item) {
  const int tiles = p.tile_rows * p.tile_columns, split = item / tiles;
  const TileCoordinate tile = tile_of_block(item % tiles, p.tile_rows, p.tile_columns, p.group);
  const int k_begin = split * p.k_tiles_per_split;
  return {tile.row, tile.column, k_begin, min(k_begin + p.k_tiles_per_split, p.k_tiles)};
}

/// Waits for all threads of the CTA or the pair.
template <int kCtas>
__device__ __forceinline__ void group_sync() {
  if constexpr (kCtas == 2) {
    __syncwarp();  // the barrier is .aligned
    ptx::cluster_arrive();
    ptx::cluster_wait();
  } else {
    __syncthreads();
  }
}

// ---- loading ------------------------------------------------------------------------------------------------------
template <int kCtas, class... Coordinates>
__device__ __forceinline__ void load_box(std::uint32_t shared, const CUtensorMap& map, std::uint32_t barrier,
                                         Coordinates... at) {
  if constexpr (kCtas == 2)
    ptx::tma_load_pair(shared, map, barrier, at...);
  else
    ptx::tma_load(shared, map, barrier, at...);
}

/// A stage's rows `row`... of an operand, from k on.
template <int kCtas>
__device__ __forceinline__ void load_operand(std::uint32_t shared, const CUtensorMap& map,
                                             const Tcgen05OperandParams& operand, std::uint32_t barrier, int row,
                                             int k) {
  if (operand.panels == 0) load_box<kCtas>(shared, map, barrier, k, row);
#pragma unroll 1  // one to four turns: not worth the code
  for (int i = 0; i < operand.panels; ++i)
    load_box<kCtas>(shared + i * operand.panel_bytes, map, barrier, row + i * operand.panel_elements, k);
}

/// One thread of each CTA.
template <class Kind, class Shape>
__device__ __forceinline__ void load_tiles(const Tcgen05Sm100Params& p, Tcgen05Shared<Shape>& shared, int rank,
                                           int first, int stride) {
  PipelineState<Shape::kStages> pipe;
  for (int item = first; item < p.items; item += stride) {
    const Tcgen05Work work = tcgen05_work(p, item);
    const int row_a = work.row * Shape::kTileM + rank * Shape::kRowsA;
    const int row_b = work.column * Shape::kTileN + rank * Shape::kRowsB;
    for (int k_tile = work.k_begin; k_tile < work.k_end; ++k_tile, pipe.advance()) {
      const int s = pipe.stage;
      ptx::mbarrier_wait(shared_address(&shared.empty[s]), pipe.parity ^ 1);
      // The leader's barrier counts the bytes of both CTAs; the peer's may land before they are expected.
      std::uint32_t full = shared_address(&shared.full[s]);
      if (rank == 0) ptx::mbarrier_arrive_expect_tx(full, Shape::kStageBytes * Shape::kCtas);
      if constexpr (Shape::kCtas == 2) full = ptx::cluster_address(full, 0);
      load_operand<Shape::kCtas>(shared_address(shared.a[s]), p.a, p.a_operand, full, row_a, k_tile * Shape::kBoxK);
      load_operand<Shape::kCtas>(shared_address(shared.b[s]), p.b, p.b_operand, full, row_b, k_tile * Shape::kBoxK);
      if constexpr (Kind::kScaleTiles > 0) {
        load_box<Shape::kCtas>(shared_address(shared.scales.a_scales[s]), p.a_scales, full, 0,
                               k_tile * Kind::kScaleTiles, row_a / 128);
        load_box<Shape::kCtas>(shared_address(shared.scales.b_scales[s]), p.b_scales, full, 0,
                               k_tile * Kind::kScaleTiles, work.column * Shape::kScaleRowTiles);
      }
    }
  }
  // Every release must have arrived before this CTA may end: the leader signals its peer's barriers too.
  for (int s = 0; s < Shape::kStages; ++s, pipe.advance())
    ptx::mbarrier_wait(shared_address(&shared.empty[pipe.stage]), pipe.parity ^ 1);
}

// ---- multiplication -----------------------------------------------------------------------------------------------
/// Copies a stage's scale factors to tensor memory at `columns`: a's, then b's.  One thread.
template <class Kind, class Shape>
__device__ __forceinline__ void copy_scales(const Tcgen05Shared<Shape>& shared, int stage, std::uint32_t columns) {
  const auto copy = [](std::uint32_t column, const unsigned char* tile) {
    ptx::tcgen05_cp_32x128b_warpx4<Shape::kCtas>(column, tcgen05_scale_tile() + shared_address(tile) / 16);
  };
#pragma unroll
  for (int i = 0; i < Kind::kScaleTiles; ++i) {
    copy(columns + i * 4, shared.scales.a_scales[stage] + i * 512);
#pragma unroll
    for (int j = 0; j < Shape::kScaleRowTiles; ++j)  // an instruction wants the factors of all its columns side by side
      copy(columns + Shape::kScaleColumnsA + (i * Shape::kScaleRowTiles + j) * 4,
           shared.scales.b_scales[stage] + (j * Kind::kScaleTiles + i) * 512);
  }
}

/// One stage into the accumulator at column `d`; `first`: its old values do not count.
template <class Kind, class Shape>
__device__ __forceinline__ void multiply_stage(const Tcgen05Sm100Params& p, const Tcgen05Shared<Shape>& shared,
                                               int stage, std::uint32_t d, std::uint32_t scales, bool first) {
  std::uint64_t a = p.a_operand.descriptor + shared_address(shared.a[stage]) / 16;
  std::uint64_t b = p.b_operand.descriptor + shared_address(shared.b[stage]) / 16;
#pragma unroll
  for (int i = 0; i < 128 / kTcgen05KBytes; ++i, a += p.a_operand.k_step, b += p.b_operand.k_step) {
    const bool accumulate = !first || i > 0;
    if constexpr (Kind::kKind == Tcgen05Kind::f16)
      ptx::tcgen05_mma_f16<Shape::kCtas>(d, a, b, p.instruction, accumulate);
    else if constexpr (Kind::kKind == Tcgen05Kind::f8f6f4)
      ptx::tcgen05_mma_f8f6f4<Shape::kCtas>(d, a, b, p.instruction, accumulate);
    else if constexpr (Kind::kKind == Tcgen05Kind::mxf8f6f4)  // byte i of the same columns
      ptx::tcgen05_mma_mxf8f6f4<Shape::kCtas>(d, a, b, p.instruction + tcgen05_scale_id(i), scales,
                                              scales + Shape::kScaleColumnsA, accumulate);
    else  // the next columns
      ptx::tcgen05_mma_mxf4nvf4<Shape::kCtas>(d, a, b, p.instruction, scales + i * 4,
                                              scales + Shape::kScaleColumnsA + i * 4 * Shape::kScaleRowTiles,
                                              accumulate);
  }
}

/// Where the scale factors of step `step` go.  Waits, where slots are fewer than stages, for the products that still
/// read the factors copied there before: the hardware orders copies before products, not products before copies.
template <class Shape>
__device__ __forceinline__ std::uint32_t scale_slot(Tcgen05Shared<Shape>& shared, std::uint32_t tensor_memory,
                                                    int stage, int step, PipelineState<Shape::kStages>& previous) {
  if constexpr (Shape::kSlotPerStage) return tensor_memory + Shape::kScaleAt + stage * Shape::kScaleColumns;
  if (step >= Shape::kScaleSlots) {
    ptx::mbarrier_wait(shared_address(&shared.empty[previous.stage]), previous.parity);
    previous.advance();
  }
  return tensor_memory + Shape::kScaleAt + step % Shape::kScaleSlots * Shape::kScaleColumns;
}

/// One thread of the leader.
template <class Kind, class Shape>
__device__ __forceinline__ void multiply_tiles(const Tcgen05Sm100Params& p, Tcgen05Shared<Shape>& shared,
                                               std::uint32_t tensor_memory, int first, int stride) {
  PipelineState<Shape::kStages> pipe, previous;  // previous: kScaleSlots steps behind
  int step = 0;
  for (int item = first, tile = 0; item < p.items; item += stride, ++tile) {
    const Tcgen05Work work = tcgen05_work(p, item);
    const int buffer = tile % 2;
    if (tile >= Shape::kAccumulatorLag) {  // the fence after each stage's wait serves this one too
      const int released = tile - Shape::kAccumulatorLag;
      ptx::mbarrier_wait(shared_address(&shared.accumulator_empty[released % 2]), released / 2 % 2);
    }
    const std::uint32_t d = tensor_memory + buffer * Shape::kSecondAccumulator;
    for (int k_tile = work.k_begin; k_tile < work.k_end; ++k_tile, ++step, pipe.advance()) {
      std::uint32_t scales = 0;
      if constexpr (Kind::kScaleTiles > 0)
        scales = scale_slot<Shape>(shared, tensor_memory, pipe.stage, step, previous);
      ptx::mbarrier_wait(shared_address(&shared.full[pipe.stage]), pipe.parity);
      ptx::tcgen05_fence_after_thread_sync();
      if constexpr (Kind::kScaleTiles > 0) copy_scales<Kind, Shape>(shared, pipe.stage, scales);
      multiply_stage<Kind, Shape>(p, shared, pipe.stage, d, scales, k_tile == work.k_begin);
      ptx::tcgen05_commit<Shape::kCtas>(shared_address(&shared.empty[pipe.stage]));
    }
    ptx::tcgen05_commit<Shape::kCtas>(shared_address(&shared.accumulator_full[buffer]));
  }
}

// ---- epilogue -----------------------------------------------------------------------------------------------------
template <class Output>
__device__ __forceinline__ std::uint32_t pack_pair(std::uint32_t low, std::uint32_t high, float scale) {
  const float a = __uint_as_float(low) * scale, b = __uint_as_float(high) * scale;
  if constexpr (std::is_same<Output, ToF16>::value)
    return ptx::pack_f16x2(a, b);
  else
    return ptx::pack_bf16x2(a, b);
}

/// A lane's 128 bytes of a row of d, from the columns at `address`, scaled: `words`.
template <class Output>
__device__ __forceinline__ void read_row(std::uint32_t address, float scale, std::uint32_t (&words)[32]) {
  constexpr int kLoads = 4 / Output::kBytes;  // of 32 columns
  std::uint32_t columns[kLoads][32];
#pragma unroll
  for (int i = 0; i < kLoads; ++i) ptx::tcgen05_ld_32x32b_x32(columns[i], address + i * 32);
  ptx::tcgen05_wait_ld(columns);
#pragma unroll
  for (int i = 0; i < 32; ++i) {
    if constexpr (Output::kBytes == 4)
      words[i] = __float_as_uint(__uint_as_float(columns[0][i]) * scale);
    else
      words[i] = pack_pair<Output>(columns[i / 16][i % 16 * 2], columns[i / 16][i % 16 * 2 + 1], scale);
  }
}

/// Writes a lane's row into a staging tile of 32 rows, 128-byte swizzle: eight lanes' 16-byte chunks meet all banks.
__device__ __forceinline__ void stage_row(unsigned char* staging, int lane, const std::uint32_t (&words)[32]) {
#pragma unroll
  for (int chunk = 0; chunk < 8; ++chunk)
    *reinterpret_cast<uint4*>(staging + lane * 128 + (chunk ^ lane % 8) * 16) =
        make_uint4(words[chunk * 4], words[chunk * 4 + 1], words[chunk * 4 + 2], words[chunk * 4 + 3]);
}

/// One warp: 32 rows of each tile.  Needs no other warp of the epilogue.
template <class Output, class Kind, class Shape>
__device__ __forceinline__ void store_tiles(const Tcgen05Sm100Params& p, Tcgen05Shared<Shape>& shared, int rank,
                                            std::uint32_t tensor_memory, int first, int stride) {
  constexpr int kChunkColumns = 128 / Output::kBytes, kChunks = Shape::kTileN / kChunkColumns;
  // After so many chunks the next tile may be multiplied.
  constexpr int kChunksToRelease = Shape::kOverlap ? (Shape::kOverlap + kChunkColumns - 1) / kChunkColumns : kChunks;
  const int quarter = threadIdx.x / 32 % 4, lane = threadIdx.x % 32;
  float scale = 1;
  if constexpr (Kind::kTensorScale)
    scale = (p.a_tensor_scale ? *p.a_tensor_scale : 1.0f) * (p.b_tensor_scale ? *p.b_tensor_scale : 1.0f);
  int stored = 0;  // chunks, over all tiles: staging alternates
  for (int item = first, tile = 0; item < p.items; item += stride, ++tile) {
    const Tcgen05Work work = tcgen05_work(p, item);
    const int row = work.row * Shape::kTileM + rank * 128 + quarter * 32;
    const int buffer = tile % 2;
    const std::uint32_t source =
        tensor_memory + (quarter * 32 << 16) + buffer * Shape::kSecondAccumulator;  // lanes, columns
    ptx::mbarrier_wait(shared_address(&shared.accumulator_full[buffer]), tile / 2 % 2);
    ptx::tcgen05_fence_after_thread_sync();
    for (int i = 0; i < kChunks; ++i) {
      // The columns that the accumulators share are the first's last and the second's first.
      const int chunk = Shape::kOverlap && buffer == 0 ? kChunks - 1 - i : i;
      std::uint32_t words[32];
      read_row<Output>(source + chunk * kChunkColumns, scale, words);
      if (i + 1 == kChunksToRelease) {
        ptx::tcgen05_fence_before_thread_sync();
        __syncwarp();
        // The loads are over and nothing was written: the fence of all memory that cluster scope costs has no use.
        if (lane == 0) ptx::mbarrier_arrive_remote(shared_address(&shared.accumulator_empty[buffer]), 0);
      }
      const int column = work.column * Shape::kTileN + chunk * kChunkColumns;
      if (row >= p.m || column >= p.n) continue;
      unsigned char* staging = shared.staging[quarter][stored++ % 2];
      if (lane == 0) ptx::tma_store_wait_read<1>();
      __syncwarp();
      stage_row(staging, lane, words);
      ptx::fence_proxy_async();
      __syncwarp();
      if (lane == 0) {
        if constexpr (std::is_same<Output, AddToF32>::value)
          ptx::tma_reduce_add(p.d, shared_address(staging), column, row);
        else
          ptx::tma_store(p.d, shared_address(staging), column, row);
        ptx::tma_store_commit();
      }
    }
  }
  if (lane == 0) ptx::tma_store_wait<0>();
}

// ---- the kernel ---------------------------------------------------------------------------------------------------
template <class Shape>
__device__ __forceinline__ void init_barriers(Tcgen05Shared<Shape>& shared) {
  for (int s = 0; s < Shape::kStages; ++s) {
    ptx::mbarrier_init(shared_address(&shared.full[s]), 1);   // the leader's producer, and bytes
    ptx::mbarrier_init(shared_address(&shared.empty[s]), 1);  // a commit
  }
  for (int i = 0; i < 2; ++i) {
    ptx::mbarrier_init(shared_address(&shared.accumulator_full[i]), 1);  // a commit
    ptx::mbarrier_init(shared_address(&shared.accumulator_empty[i]), Shape::kCtas * kTcgen05EpilogueWarps);
  }
  ptx::fence_mbarrier_init();
}

template <class Kind, class Tile, class Output>
__global__ void __launch_bounds__(kTcgen05Threads, 1) tcgen05_sm100(const __grid_constant__ Tcgen05Sm100Params p) {
  using Shape = Tcgen05Shape<Kind, Tile>;
  constexpr int kCtas = Shape::kCtas;
  auto& shared = ptx::dynamic_smem<Tcgen05Shared<Shape>>();
  const int warp = threadIdx.x / 32;
  const int rank = kCtas == 2 ? ptx::cluster_rank() : 0;  // 0: the pair's leader
  const int first = blockIdx.x / kCtas, stride = gridDim.x / kCtas;

  if (warp == 0 && ptx::elect_one()) {
    ptx::tma_prefetch(p.a), ptx::tma_prefetch(p.b), ptx::tma_prefetch(p.d);
    init_barriers(shared);
  }
  group_sync<kCtas>();  // the peer runs: allocating in a pair takes both
  if (warp == 1) {
    ptx::tcgen05_alloc<kCtas>(shared_address(&shared.tensor_memory), kTcgen05Columns);
    ptx::tcgen05_relinquish_alloc_permit<kCtas>();
  }
  ptx::tcgen05_fence_before_thread_sync();
  group_sync<kCtas>();  // barriers and tensor memory of both are ready
  ptx::tcgen05_fence_after_thread_sync();
  const std::uint32_t tensor_memory = shared.tensor_memory;

  if (warp == 0) {
    if (ptx::elect_one()) load_tiles<Kind, Shape>(p, shared, rank, first, stride);
  } else if (warp == 1) {
    if (rank == 0 && ptx::elect_one()) multiply_tiles<Kind, Shape>(p, shared, tensor_memory, first, stride);
  } else {
    store_tiles<Output, Kind, Shape>(p, shared, rank, tensor_memory, first, stride);
  }

  __syncwarp();
  ptx::tcgen05_fence_before_thread_sync();
  group_sync<kCtas>();  // nobody reads tensor memory, or signals the other's barriers, any more
  ptx::tcgen05_fence_after_thread_sync();
  if (warp == 1) ptx::tcgen05_dealloc<kCtas>(tensor_memory, kTcgen05Columns);
}

}  // namespace assay
