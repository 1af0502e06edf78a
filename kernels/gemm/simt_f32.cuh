// GEMM in fp32 on the ordinary arithmetic units: no tensor cores, every product rounded as IEEE fp32.
//
// Algorithm   A CTA computes a 128 x 128 tile of d, 8 of k at a time, from two buffers in shared memory: while one is
//             multiplied, the next tile waits in registers.  Each thread accumulates 8 x 8 elements (four 4 x 4
//             blocks, 64 apart, so that its shared reads are 16-byte vectors): 64 FMA for 16 words read.
// Layouts     Shared tiles are [k][m] and [k][n] whatever the order in memory; operands with k contiguous are
// transposed
//             on the way, and rows are padded by 4 words so that these stores meet in no bank: zero bank conflicts,
//             checked in tests/simt/gemm.
// Resources   256 threads, two CTAs per multiprocessor (at most 128 registers), 16.5 KiB of static shared memory, no
//             spills.
// Shapes      Any m, n, k.  16-byte global loads where rows of a and b start on 16-byte boundaries (kVectors), else
//             single words.  d is stored in pairs where n is even; `nt` adds to the d that is there.
// Source      Written for this project; the register tiling is the textbook one (Volkov and Demmel, 2008).
#pragma once
#include <cstdint>

#include "kernels/gemm/raster.cuh"
#include "kernels/gemm/simt_f32.h"

namespace assay {

/// One operand's path from global through registers to shared memory.  Each thread moves four neighbouring elements.
template <bool kKMajor, bool kVectors>
class SimtTileLoader {
 public:
  static constexpr int kExtent = 128;
  static_assert(kExtent == SimtF32Shape::kTileM && kExtent == SimtF32Shape::kTileN);
  static constexpr int kPitch = kExtent + 4;  // words: 4 rows apart is 16 banks apart, and rows stay 16-byte aligned
  using Buffer = float[SimtF32Shape::kTileK][kPitch];

  /// `base` is [extent, k] where k-major, else [k, extent], packed; the tiles begin at `mn` and k = 0.
  __device__ SimtTileLoader(const void* base, int mn, int extent, int k)
      : pitch_(kKMajor ? k : extent),
        remaining_k_(kKMajor ? (mn + row() < extent ? k - column() : 0) : k - row()),
        width_(extent - mn - column()),
        next_(static_cast<const float*>(base) + (row() + (kKMajor ? mn : 0)) * pitch_ + column() + (kKMajor ? 0 : mn)) {
  }

  /// Reads the next tile into registers; what lies outside the operand is zero.
  __device__ void read() {
    const int valid = kKMajor ? remaining_k_ : remaining_k_ > 0 ? width_ : 0;
    if constexpr (kVectors) {  // rows are multiples of four elements, so four are inside or outside together
      const float4 four = valid > 0 ? *reinterpret_cast<const float4*>(next_) : make_float4(0, 0, 0, 0);
      value_[0] = four.x, value_[1] = four.y, value_[2] = four.z, value_[3] = four.w;
    } else {
#pragma unroll
      for (int i = 0; i < 4; ++i) value_[i] = i < valid ? next_[i] : 0.0f;
    }
    next_ += kKMajor ? SimtF32Shape::kTileK : SimtF32Shape::kTileK * pitch_;
    remaining_k_ -= SimtF32Shape::kTileK;
  }

  __device__ void write(Buffer& tile) const {
    if constexpr (kKMajor) {
#pragma unroll
      for (int i = 0; i < 4; ++i) tile[column() + i][row()] = value_[i];
    } else {
      *reinterpret_cast<float4*>(&tile[row()][column()]) = make_float4(value_[0], value_[1], value_[2], value_[3]);
    }
  }

 private:
  // Of this thread's elements, in the tile as stored in memory.
  __device__ static int row() { return kKMajor ? threadIdx.x / 2 : threadIdx.x / 32; }
  __device__ static int column() { return kKMajor ? threadIdx.x % 2 * 4 : threadIdx.x % 32 * 4; }

  // Few members: the accumulators leave little of the 128 registers.
  std::int64_t pitch_;  // elements between rows in memory
  int remaining_k_;     // elements of k from this thread's first on; none where its row lies outside
  int width_;           // mn-major: elements of m or n from this thread's first on
  const float* next_;
  float value_[4] = {};
};

/// Eight words of a shared row: four from `first` and four from `first` + 64.
__device__ __forceinline__ void load_eight(float (&value)[8], const float* row, int first) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const float4 four = *reinterpret_cast<const float4*>(row + first + half * 64);
    value[half * 4 + 0] = four.x, value[half * 4 + 1] = four.y;
    value[half * 4 + 2] = four.z, value[half * 4 + 3] = four.w;
  }
}

/// Stores (kAccumulate: adds) two neighbouring elements of d, of which `columns` lie inside.
template <bool kAccumulate>
__device__ __forceinline__ void put_pair(float* d, bool pairs, int columns, float low, float high) {
  if (columns <= 0) return;
  if (pairs) {
    float2* both = reinterpret_cast<float2*>(d);
    if constexpr (kAccumulate) low += both->x, high += both->y;
    *both = make_float2(low, high);
  } else {
    if constexpr (kAccumulate) low += d[0];
    d[0] = low;
    if (columns < 2) return;
    if constexpr (kAccumulate) high += d[1];
    d[1] = high;
  }
}

template <bool kAKMajor, bool kBKMajor, bool kAccumulate, bool kVectors>
__global__ void __launch_bounds__(SimtF32Shape::kThreads, 2) simt_f32(GemmKernelParams p) {
  using Shape = SimtF32Shape;
  using LoaderA = SimtTileLoader<kAKMajor, kVectors>;
  using LoaderB = SimtTileLoader<kBKMajor, kVectors>;
  __shared__ __align__(16) typename LoaderA::Buffer shared_a[2];
  __shared__ __align__(16) typename LoaderB::Buffer shared_b[2];

  const TileCoordinate tile = tile_of_block(blockIdx.x, p.tile_rows, p.tile_columns, p.group);
  const int m0 = tile.row * Shape::kTileM, n0 = tile.column * Shape::kTileN;
  // 16 x 16 threads; a warp is 4 x 8 of them, so that its eight 16-byte reads of b cover all banks once.
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int thread_m = warp / 2 * 4 + lane / 8, thread_n = warp % 2 * 8 + lane % 8;
  const int k_tiles = (p.k + Shape::kTileK - 1) / Shape::kTileK;

  LoaderA loader_a(p.a, m0, p.m, p.k);
  LoaderB loader_b(p.b, n0, p.n, p.k);
  float accumulator[8][8] = {};

  loader_a.read();
  loader_b.read();
  loader_a.write(shared_a[0]);
  loader_b.write(shared_b[0]);
  __syncthreads();
  for (int k_tile = 0; k_tile < k_tiles; ++k_tile) {
    const int buffer = k_tile % 2;
    const bool more = k_tile + 1 < k_tiles;
    if (more) {
      loader_a.read();
      loader_b.read();
    }
#pragma unroll 2  // fully unrolled, ptxas reads so far ahead that it spills on sm_90 and later
    for (int k = 0; k < Shape::kTileK; ++k) {
      float a[8], b[8];
      load_eight(a, shared_a[buffer][k], thread_m * 4);
      load_eight(b, shared_b[buffer][k], thread_n * 4);
#pragma unroll
      for (int i = 0; i < 8; ++i)
#pragma unroll
        for (int j = 0; j < 8; ++j) accumulator[i][j] = fmaf(a[i], b[j], accumulator[i][j]);
    }
    if (more) {  // the other buffer: all left it at the previous barrier
      loader_a.write(shared_a[buffer ^ 1]);
      loader_b.write(shared_b[buffer ^ 1]);
    }
    __syncthreads();
  }

#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const int row = m0 + i / 4 * 64 + thread_m * 4 + i % 4;
    if (row >= p.m) continue;
#pragma unroll
    for (int j = 0; j < 8; j += 2) {
      const int column = n0 + j / 4 * 64 + thread_n * 4 + j % 4;
      put_pair<kAccumulate>(static_cast<float*>(p.d) + std::int64_t(row) * p.n + column, p.d_pairs, p.n - column,
                            accumulator[i][j], accumulator[i][j + 1]);
    }
  }
}

}  // namespace assay
