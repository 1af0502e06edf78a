// GEMM on tensor cores by mma.sync, for sm_80 and every later architecture.
//
// Algorithm   A CTA computes a 128 x 256 tile of d.  A ring of four stages in shared memory is filled by cp.async,
//             three stages ahead of the arithmetic; each stage holds 64 bytes of k (32 elements of 16 bits, 16 of
//             tf32).  Eight warps own 64 x 64 of the tile each, read fragments with ldmatrix one k step ahead, and
//             accumulate in fp32 registers.  One __syncthreads per stage.  Blocks are numbered so that those running
//             together share rows of a and b through L2 (cuda/raster.cuh).
// Layouts     Operands keep the order they have in memory: k contiguous ("k-major": rows of 64 bytes) or m or n
//             contiguous ("mn-major": one row per k).  16-byte chunks are permuted by XOR so that neither the copies
//             nor the fragment reads meet in a bank: zero bank conflicts in CopyWide, checked in tests/simt/gemm.
//             tf32 mn-major operands cannot be transposed by ldmatrix (it moves 16-bit elements) and are read word by
//             word.
// Resources   256 threads; 96 KiB of shared memory; at most 255 registers, so one CTA per multiprocessor; no spills.
// Shapes      Any m, n, k.  CopyWide wants rows of a and b on 16-byte boundaries.  CopyNarrow takes all others, 4
//             bytes a copy where rows start on 4-byte boundaries, else element by element through registers (slow,
//             right).  d is stored in pairs where n is even; `nt` adds to the fp32 d that is there.
// Source      Written for this project; the scheme is that of CUTLASS's multistage GEMM (BSD-3-Clause, no code taken).
#pragma once
#include <cstdint>

#include "kernels/common/ptx/convert.cuh"
#include "kernels/common/ptx/cp_async.cuh"
#include "kernels/common/ptx/ldmatrix.cuh"
#include "kernels/common/ptx/mma.cuh"
#include "kernels/common/ptx/shared_access.cuh"
#include "kernels/common/ptx/shared_address.cuh"
#include "kernels/gemm/cuda/raster.cuh"
#include "kernels/gemm/sm80/mma.h"

namespace assay {

// ---- what an instance is made of ----------------------------------------------------------------------------------
// Element types: size, the mma that multiplies 32 bytes of k, and the type and packing of d where it is not fp32.
struct Bf16 {
  static constexpr int kBytes = 2;
  static constexpr bool kFloatOutput = false;
  __device__ static void mma(float (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
    ptx::mma_m16n8k16_bf16(d, a, b0, b1);
  }
  __device__ static std::uint32_t pack(float low, float high) { return ptx::pack_bf16x2(low, high); }
};
struct F16 {
  static constexpr int kBytes = 2;
  static constexpr bool kFloatOutput = false;
  __device__ static void mma(float (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
    ptx::mma_m16n8k16_f16(d, a, b0, b1);
  }
  __device__ static std::uint32_t pack(float low, float high) { return ptx::pack_f16x2(low, high); }
};
struct Tf32 {
  static constexpr int kBytes = 4;
  static constexpr bool kFloatOutput = true;
  __device__ static void mma(float (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
    ptx::mma_m16n8k8_tf32(d, a, b0, b1);
  }
};

// Layouts, see gemm.h: whether k is contiguous in a and in b, and whether d is added to.
struct Tn {
  static constexpr bool kAKMajor = true, kBKMajor = true, kAccumulate = false;
};
struct Nn {
  static constexpr bool kAKMajor = true, kBKMajor = false, kAccumulate = false;
};
struct Nt {
  static constexpr bool kAKMajor = false, kBKMajor = false, kAccumulate = true;
};

struct CopyWide {
  static constexpr int kBytes = 16;
};
struct CopyNarrow {
  static constexpr int kBytes = 4;
};

// ---- one operand's tile in shared memory --------------------------------------------------------------------------
/// kExtent (m or n) by 64 bytes of k, in the order of global memory: rows of 16-byte chunks, chunks permuted by row.
template <class Element, int kExtent, bool kKMajor>
struct OperandTile {
  static constexpr int kTileK = MmaSm80Shape::kTileKBytes / Element::kBytes;
  static constexpr int kBytes = kExtent * MmaSm80Shape::kTileKBytes;
  static constexpr int kRowBytes = kKMajor ? MmaSm80Shape::kTileKBytes : kExtent * Element::kBytes;
  static constexpr int kElementsPerChunk = 16 / Element::kBytes;

  /// Eight lanes' 16-byte accesses must cover all 32 banks.  k-major: two rows of 64 bytes fill them, so the chunk
  /// moves with every second row.  mn-major, 16 bits: rows are multiples of 128 bytes, and ldmatrix takes one chunk of
  /// eight rows.  mn-major, tf32: a fragment is 8 words of each of four rows, so pairs of chunks move.
  __device__ static std::uint32_t offset(int row, int chunk) {
    const int permutation = kKMajor ? row / 2 % 4 : Element::kBytes == 2 ? row % 8 : row % 4 * 2;
    return row * kRowBytes + ((chunk ^ permutation) << 4);
  }

  /// The four 8 x 8 (tf32: 8 x 4) blocks of 16 of m or n, from `mn` on, by 32 bytes of k, the `step`-th such, as an
  /// mma wants them: kMnFirst (operand a): (mn, k), (mn + 8, k), (mn, k + half), (mn + 8, k + half); else (operand b)
  /// with the middle two exchanged: two pairs b0, b1.
  template <bool kMnFirst>
  __device__ static void load_fragment(std::uint32_t (&block)[4], std::uint32_t tile, int mn, int step) {
    const int lane = threadIdx.x % 32;
    const int half_8 = lane / 8 % 2, half_16 = lane / 16;  // which block's row this lane addresses
    const int mn_half = kMnFirst ? half_8 : half_16, k_half = kMnFirst ? half_16 : half_8;
    if constexpr (kKMajor) {
      ptx::ldmatrix_x4(block, tile + offset(mn + mn_half * 8 + lane % 8, step * 2 + k_half));
    } else if constexpr (Element::kBytes == 2) {
      ptx::ldmatrix_x4_trans(block, tile + offset(step * 16 + k_half * 8 + lane % 8, mn / 8 + mn_half));
    } else {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int row = step * 8 + (kMnFirst ? i / 2 : i % 2) * 4 + lane % 4;
        const int column = mn + (kMnFirst ? i % 2 : i / 2) * 8 + lane / 4;
        block[i] = ptx::load_shared(tile + offset(row, column / 4) + column % 4 * 4);
      }
    }
  }
};

/// Copies one operand's tiles, in the order of k, from global to shared memory.
template <class Element, class Copy, int kExtent, bool kKMajor>
class TileLoader {
 public:
  using Tile = OperandTile<Element, kExtent, kKMajor>;

  /// `base` is [extent, k] where k-major, else [k, extent], packed; the tiles begin at `mn` and k = 0.
  __device__ TileLoader(const void* base, int mn, int extent, int k, bool words)
      : row_bytes_(std::int64_t(kKMajor ? k : extent) * Element::kBytes),
        row_(threadIdx.x / kCopiesPerRow),
        column_bytes_(threadIdx.x % kCopiesPerRow * Copy::kBytes),
        outer_(row_ + (kKMajor ? mn : 0)),
        inner_(column_bytes_ / Element::kBytes + (kKMajor ? 0 : mn)),
        outer_limit_(kKMajor ? extent : k),
        inner_limit_(kKMajor ? k : extent),
        words_(words) {
    next_ = static_cast<const char*>(base) + outer_ * row_bytes_ + std::int64_t(inner_) * Element::kBytes;
  }

  /// Enqueues the copy of the next tile to shared address `tile`.  What lies outside the operand becomes zero.
  __device__ void load(std::uint32_t tile) {
#pragma unroll kUnroll
    for (int i = 0; i < kCopies; ++i) {
      const int row = row_ + i * kRowsPerPass;
      const int valid = outer_ + i * kRowsPerPass < outer_limit_ ? inner_limit_ - inner_ : 0;  // elements
      copy(tile + Tile::offset(row, column_bytes_ / 16) + column_bytes_ % 16, next_ + i * kRowsPerPass * row_bytes_,
           valid);
    }
    next_ += kKMajor ? MmaSm80Shape::kTileKBytes : Tile::kTileK * row_bytes_;
    (kKMajor ? inner_ : outer_) += Tile::kTileK;
  }

 private:
  static constexpr int kCopiesPerRow = Tile::kRowBytes / Copy::kBytes;
  static constexpr int kRowsPerPass = MmaSm80Shape::kThreads / kCopiesPerRow;
  static constexpr int kCopies = Tile::kBytes / (MmaSm80Shape::kThreads * Copy::kBytes);
  // Eight or sixteen narrow copies at once need more registers than the accumulators leave.
  static constexpr int kUnroll = Copy::kBytes == 16 ? kCopies : 1;

  __device__ void copy(std::uint32_t shared, const char* source, int valid) const {
    if constexpr (Copy::kBytes == 16) {  // rows are whole chunks, so a chunk is inside or outside
      ptx::cp_async_16(shared, source, valid > 0 ? 16 : 0);
    } else if (words_) {  // likewise rows of whole words
      ptx::cp_async_4(shared, source, valid > 0 ? 4 : 0);
    } else {  // only 16-bit elements can start between words; the next stage's barrier publishes the store
      const auto* element = reinterpret_cast<const std::uint16_t*>(source);
      const std::uint32_t low = valid > 0 ? element[0] : 0, high = valid > 1 ? element[1] : 0;
      ptx::store_shared(shared, high << 16 | low);
    }
  }

  const char* next_;
  std::int64_t row_bytes_;
  int row_, column_bytes_;  // of this thread's first copy, in the tile
  int outer_, inner_;       // the same in the operand, in elements
  int outer_limit_, inner_limit_;
  bool words_;
};

// ---- epilogue -----------------------------------------------------------------------------------------------------
/// Two neighbouring elements of d at `column`, of which the second may lie outside.
__device__ __forceinline__ void load_pair(const float* d, bool pairs, int columns, float (&value)[2]) {
  if (pairs) {
    const float2 both = *reinterpret_cast<const float2*>(d);
    value[0] = both.x, value[1] = both.y;
  } else {
    value[0] = d[0];
    if (columns > 1) value[1] = d[1];
  }
}
__device__ __forceinline__ void store_pair(float* d, bool pairs, int columns, float low, float high) {
  if (pairs) {
    *reinterpret_cast<float2*>(d) = make_float2(low, high);
  } else {
    d[0] = low;
    if (columns > 1) d[1] = high;
  }
}
__device__ __forceinline__ void store_pair(std::uint16_t* d, bool pairs, int columns, std::uint32_t packed) {
  if (pairs) {
    *reinterpret_cast<std::uint32_t*>(d) = packed;
  } else {
    d[0] = static_cast<std::uint16_t>(packed);
    if (columns > 1) d[1] = static_cast<std::uint16_t>(packed >> 16);
  }
}

/// Stores a warp's 64 x 64 accumulators, whose first element is d[row0][column0]; d is [m, n].
template <class Element, class Layout>
__device__ __forceinline__ void store_accumulators(const GemmKernelParams& p, float (&accumulator)[4][8][4], int row0,
                                                   int column0) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = row0 + i * 16 + half * 8 + lane / 4;
      if (row >= p.m) continue;
      const int first = column0 + lane % 4 * 2;
      const std::int64_t offset = std::int64_t(row) * p.n + first;
      if constexpr (Layout::kAccumulate || Element::kFloatOutput) {
        float* d = static_cast<float*>(p.d) + offset;
        float sum[8][2] = {};
        if constexpr (Layout::kAccumulate) {  // all reads before the first write, so that their latencies overlap
#pragma unroll
          for (int j = 0; j < 8; ++j)
            if (first + j * 8 < p.n) load_pair(d + j * 8, p.d_pairs, p.n - first - j * 8, sum[j]);
        }
#pragma unroll
        for (int j = 0; j < 8; ++j)
          if (first + j * 8 < p.n)
            store_pair(d + j * 8, p.d_pairs, p.n - first - j * 8, sum[j][0] + accumulator[i][j][half * 2],
                       sum[j][1] + accumulator[i][j][half * 2 + 1]);
      } else {
        std::uint16_t* d = static_cast<std::uint16_t*>(p.d) + offset;
#pragma unroll
        for (int j = 0; j < 8; ++j)
          if (first + j * 8 < p.n)
            store_pair(d + j * 8, p.d_pairs, p.n - first - j * 8,
                       Element::pack(accumulator[i][j][half * 2], accumulator[i][j][half * 2 + 1]));
      }
    }
  }
}

// ---- the kernel ---------------------------------------------------------------------------------------------------
/// A warp's 64 x 64 part of the tile: fragments of two k steps, of which one is multiplied while the other is read, and
/// the accumulators.
template <class Element, class TileA, class TileB>
struct WarpTile {
  int m, n;  // of its first element in the CTA's tile
  std::uint32_t a[2][4][4], b[2][4][4];
  float accumulator[4][8][4] = {};

  __device__ WarpTile(int first_m, int first_n) : m(first_m), n(first_n) {}

  /// Reads the fragments of one k step from the stage at shared address `stage`: a's tile, then b's.
  __device__ void read(int slot, std::uint32_t stage, int step) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      TileA::template load_fragment<true>(a[slot][i], stage, m + i * 16, step);
      TileB::template load_fragment<false>(b[slot][i], stage + TileA::kBytes, n + i * 16, step);
    }
  }
  __device__ void multiply(int slot) {
#pragma unroll
    for (int i = 0; i < 4; ++i)
#pragma unroll
      for (int j = 0; j < 8; ++j)
        Element::mma(accumulator[i][j], a[slot][i], b[slot][j / 2][j % 2 * 2], b[slot][j / 2][j % 2 * 2 + 1]);
  }
};

template <class Element, class Layout, class Copy>
__global__ void __launch_bounds__(MmaSm80Shape::kThreads, 1) mma_sm80(GemmKernelParams p) {
  using Shape = MmaSm80Shape;
  using LoaderA = TileLoader<Element, Copy, Shape::kTileM, Layout::kAKMajor>;
  using LoaderB = TileLoader<Element, Copy, Shape::kTileN, Layout::kBKMajor>;
  using TileA = typename LoaderA::Tile;
  using TileB = typename LoaderB::Tile;
  constexpr int kStageBytes = TileA::kBytes + TileB::kBytes;
  static_assert(Shape::kStages * kStageBytes == Shape::kSharedBytes);
  const std::uint32_t ring = ptx::shared_address(&ptx::dynamic_smem<unsigned char>());
  const auto stage = [&](int k_tile) { return ring + k_tile % Shape::kStages * kStageBytes; };

  const TileCoordinate tile = tile_of_block(blockIdx.x, p.tile_rows, p.tile_columns, p.group);
  const int m0 = tile.row * Shape::kTileM, n0 = tile.column * Shape::kTileN;
  const int k_tiles = (p.k + TileA::kTileK - 1) / TileA::kTileK;
  LoaderA loader_a(p.a, m0, p.m, p.k, p.a_words);
  LoaderB loader_b(p.b, n0, p.n, p.k, p.b_words);
  const auto load_stage = [&](int k_tile) {
    if (k_tile < k_tiles) {
      loader_a.load(stage(k_tile));
      loader_b.load(stage(k_tile) + TileA::kBytes);
    }
    ptx::cp_async_commit();  // an empty group past the end, so that the waits below count the same at every k
  };
#pragma unroll
  for (int s = 0; s < Shape::kStages - 1; ++s) load_stage(s);

  const int warp = threadIdx.x / 32;  // 2 x 4 warps
  WarpTile<Element, TileA, TileB> warp_tile(warp / 4 * 64, warp % 4 * 64);
  ptx::cp_async_wait<Shape::kStages - 2>();
  __syncthreads();
  warp_tile.read(0, stage(0), 0);
  for (int k_tile = 0; k_tile < k_tiles; ++k_tile) {
    warp_tile.read(1, stage(k_tile), 1);
    load_stage(k_tile + Shape::kStages - 1);  // into the stage that all left at the previous barrier
    warp_tile.multiply(0);
    ptx::cp_async_wait<Shape::kStages - 2>();
    __syncthreads();  // stage k_tile + 1 has landed, and k_tile has been read by all
    if (k_tile + 1 < k_tiles) warp_tile.read(0, stage(k_tile + 1), 0);
    warp_tile.multiply(1);
  }
  ptx::cp_async_wait<0>();  // nothing but empty groups, but a CTA must not exit with copies open

  store_accumulators<Element, Layout>(p, warp_tile.accumulator, m0 + warp_tile.m, n0 + warp_tile.n);
}

}  // namespace assay
