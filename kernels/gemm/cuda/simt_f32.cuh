// GEMM in fp32 on the ordinary arithmetic units: no tensor cores, every product rounded as IEEE fp32.
//
// Algorithm   A CTA computes a 128 x 128 tile of d, 16 of k at a time, from two buffers in shared memory: while one is
//             multiplied, the next tile waits in registers.  A warp computes 64 x 64 and a thread 8 x 16 of it, as 4 x
//             4 blocks so that shared reads are 16-byte vectors.  The values of the next k are read while those of this
//             k are multiplied.
// Design      Two limits besides the FMA units, both per multiprocessor (four partitions) of sm_86 and later, which
//             start one instruction and do 32 FMA a cycle in each partition; sm_80 does half the FMA, with room to
//             spare:
//               shared memory   a k needs 6 16-byte reads a warp, 4 cycles each at 128 bytes a cycle (fewer where lanes
//                               read the same): 4 warps, 96 cycles while they do 128 cycles of FMA, 75 %.  With 8 x 8 a
//                               thread it would be 64 of 64: bound by shared memory.
//               issue slots     a tile of k takes a warp 2048 FMA, 96 shared reads, 8 global reads, 8 to 32 shared
//                               stores and some 50 for bounds, addresses and the loop: ptxas 13.0 makes 2246 of it
//                               (tn, sm_80) to 2262 (nn, sm_90a), of which FMA are 90.5 % and more (kVectors; single
//                               words: 88 %).  tests/simt/gemm counts them in the PTX.
//             What this leaves out (the epilogue, the first tile, barriers) is covered by the other of the two CTAs
//             that share a multiprocessor: one computes while the other waits or writes d.
// Copies      Past the registers (cp.async) they would save the stores, but not for k-major operands, which are
//             transposed on the way; one path for all layouts is kept.
// Layouts     Shared tiles are [k][m] and [k][n] whatever the order in memory.  Rows are padded by 4 words so that the
//             transposing stores meet in no bank: zero bank conflicts, checked in tests/simt/gemm.
// Resources   128 threads, two CTAs per multiprocessor (at most 255 registers), 33 KiB of static shared memory, no
//             spills.
// Shapes      Any m, n, k.  16-byte global loads where rows of a and b start on 16-byte boundaries (kVectors), else
//             single words.  d is stored in pairs where n is even; `nt` adds to the d that is there.
// Source      Written for this project; the register tiling is the textbook one (Volkov and Demmel, 2008).
#pragma once
#include <cstdint>

#include "kernels/gemm/cuda/raster.cuh"
#include "kernels/gemm/cuda/simt_f32.h"

namespace assay {

/// One operand's path from global through registers to shared memory.  Each thread moves kVectorsEach times four
/// neighbouring elements.
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
        remaining_k_(k - (kKMajor ? column(0) : row(0))),
        width_(extent - mn - (kKMajor ? row(0) : column(0))),
        next_(static_cast<const float*>(base) + (row(0) + (kKMajor ? mn : 0)) * pitch_ + column(0) +
              (kKMajor ? 0 : mn)) {}

  /// Reads the next tile into registers; what lies outside the operand is zero.
  __device__ void read() {
#pragma unroll
    for (int v = 0; v < kVectorsEach; ++v) {
      const int rows = row(v) - row(0), columns = column(v) - column(0);
      // Elements of this vector that lie inside, counted along its four.
      const int valid = kKMajor ? (rows < width_ ? remaining_k_ - columns : 0) : rows < remaining_k_ ? width_ : 0;
      read_four(value_[v], next_ + rows * pitch_ + columns, valid);
    }
    next_ += kKMajor ? SimtF32Shape::kTileK : SimtF32Shape::kTileK * pitch_;
    remaining_k_ -= SimtF32Shape::kTileK;
  }

  __device__ void write(Buffer& tile) const {
#pragma unroll
    for (int v = 0; v < kVectorsEach; ++v) {
      const float(&four)[4] = value_[v];
      if constexpr (kKMajor) {
#pragma unroll
        for (int i = 0; i < 4; ++i) tile[column(v) + i][row(v)] = four[i];
      } else {
        *reinterpret_cast<float4*>(&tile[row(v)][column(v)]) = make_float4(four[0], four[1], four[2], four[3]);
      }
    }
  }

 private:
  static constexpr int kVectorsEach = kExtent * SimtF32Shape::kTileK / 4 / SimtF32Shape::kThreads;
  static_assert(kVectorsEach == 4 && SimtF32Shape::kThreads == 128, "row() and column() are made for these");

  // Of this thread's vector `v`, in the tile as stored in memory.  K-major, a warp covers 16 rows by 8 of k: then its
  // transposing stores, 4 words apart a row of shared memory, meet in no bank.
  __device__ static int row(int v) { return kKMajor ? threadIdx.x / 2 + v % 2 * 64 : threadIdx.x / 32 + v * 4; }
  __device__ static int column(int v) { return kKMajor ? threadIdx.x % 2 * 4 + v / 2 * 8 : threadIdx.x % 32 * 4; }

  __device__ static void read_four(float (&four)[4], const float* from, int valid) {
    if constexpr (kVectors) {  // rows are multiples of four elements, so four are inside or outside together
      const float4 value = valid > 0 ? *reinterpret_cast<const float4*>(from) : make_float4(0, 0, 0, 0);
      four[0] = value.x, four[1] = value.y, four[2] = value.z, four[3] = value.w;
    } else {
#pragma unroll
      for (int i = 0; i < 4; ++i) four[i] = i < valid ? from[i] : 0.0f;
    }
  }

  // Few members: the accumulators leave little of the 255 registers.
  std::int64_t pitch_;  // elements between rows in memory
  int remaining_k_;     // elements of k from this thread's first on
  int width_;           // elements of m or n from this thread's first on
  const float* next_;
  float value_[kVectorsEach][4] = {};
};

/// A thread's part of one k of a shared tile: groups of four words, `stride` apart.
template <int kGroups>
__device__ __forceinline__ void load_groups(float (&value)[kGroups * 4], const float* first, int stride) {
#pragma unroll
  for (int group = 0; group < kGroups; ++group) {
    const float4 four = *reinterpret_cast<const float4*>(first + group * stride);
    value[group * 4 + 0] = four.x, value[group * 4 + 1] = four.y;
    value[group * 4 + 2] = four.z, value[group * 4 + 3] = four.w;
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

/// A thread's 8 x 16 elements of d: 2 x 4 blocks of 4 x 4, 32 rows and 16 columns apart.
struct SimtThreadTile {
  static constexpr int kRowGroups = 2, kColumnGroups = 4;
  static constexpr int kRowStride = 32, kColumnStride = 16;
  static constexpr int kRows = kRowGroups * 4, kColumns = kColumnGroups * 4;

  // Four warps, 2 x 2; a warp's lanes are 8 x 4, so that the eight lanes of a phase of a 16-byte read find 128
  // contiguous bytes of a, and one and the same 16 bytes of b.
  __device__ static int row() { return threadIdx.x / 64 * 64 + threadIdx.x % 8 * 4; }
  __device__ static int column() { return threadIdx.x / 32 % 2 * 64 + threadIdx.x % 32 / 8 * 4; }

  float sum[kRows][kColumns] = {};
  float a[2][kRows], b[2][kColumns];  // of this k and of the next

  __device__ __forceinline__ void read(int slot, const float* row_of_a, const float* row_of_b) {
    load_groups<kRowGroups>(a[slot], row_of_a + row(), kRowStride);
    load_groups<kColumnGroups>(b[slot], row_of_b + column(), kColumnStride);
  }
  __device__ __forceinline__ void multiply(int slot) {
#pragma unroll
    for (int i = 0; i < kRows; ++i)
#pragma unroll
      for (int j = 0; j < kColumns; ++j) sum[i][j] = fmaf(a[slot][i], b[slot][j], sum[i][j]);
  }
};

template <bool kAKMajor, bool kBKMajor, bool kAccumulate, bool kVectors>
__global__ void __launch_bounds__(SimtF32Shape::kThreads, 2) simt_f32(GemmKernelParams p) {
  using Shape = SimtF32Shape;
  using LoaderA = SimtTileLoader<kAKMajor, kVectors>;
  using LoaderB = SimtTileLoader<kBKMajor, kVectors>;
  __shared__ __align__(16) typename LoaderA::Buffer shared_a[2];
  __shared__ __align__(16) typename LoaderB::Buffer shared_b[2];

  const TileCoordinate tile = tile_of_block(blockIdx.x, p.tile_rows, p.tile_columns, p.group);
  const int m0 = tile.row * Shape::kTileM, n0 = tile.column * Shape::kTileN;
  const int k_tiles = (p.k + Shape::kTileK - 1) / Shape::kTileK;

  LoaderA loader_a(p.a, m0, p.m, p.k);
  LoaderB loader_b(p.b, n0, p.n, p.k);
  SimtThreadTile thread;

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
    thread.read(0, shared_a[buffer][0], shared_b[buffer][0]);
#pragma unroll
    for (int k = 0; k < Shape::kTileK; ++k) {
      if (k + 1 < Shape::kTileK) thread.read((k + 1) % 2, shared_a[buffer][k + 1], shared_b[buffer][k + 1]);
      thread.multiply(k % 2);
    }
    if (more) {  // the other buffer: all left it at the previous barrier
      loader_a.write(shared_a[buffer ^ 1]);
      loader_b.write(shared_b[buffer ^ 1]);
    }
    __syncthreads();
  }

  using Thread = SimtThreadTile;
#pragma unroll
  for (int i = 0; i < Thread::kRows; ++i) {
    const int row = m0 + Thread::row() + i / 4 * Thread::kRowStride + i % 4;
    if (row >= p.m) continue;
#pragma unroll
    for (int j = 0; j < Thread::kColumns; j += 2) {
      const int column = n0 + Thread::column() + j / 4 * Thread::kColumnStride + j % 4;
      put_pair<kAccumulate>(static_cast<float*>(p.d) + std::int64_t(row) * p.n + column, p.d_pairs, p.n - column,
                            thread.sum[i][j], thread.sum[i][j + 1]);
    }
  }
}

}  // namespace assay
