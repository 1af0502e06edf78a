// Operands of mma.sync in shared memory: tiles whose rows are swizzled in chunks of 16 bytes, and the products of such
// tiles.  C++17.
//
// 16-byte chunk c of row r lies at chunk c ^ (r % 8); where rows have 96 columns, which start 16 banks apart and end
// half way through eight chunks, at c ^ (r / 2 % 4).  The eight rows of an ldmatrix block, and accumulators stored a
// quad to a row, fall into different banks.
#pragma once
#include <cstdint>

#include "kernels/common/ptx/convert.cuh"
#include "kernels/common/ptx/cp_async.cuh"
#include "kernels/common/ptx/ldmatrix.cuh"
#include "kernels/common/ptx/mma.cuh"
#include "kernels/common/ptx/shared_access.cuh"

namespace assay::swizzled {

/// What differs between the two element types.
struct Bf16 {
  static __device__ __forceinline__ void mma(float (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                                             std::uint32_t b1) {
    ptx::mma_m16n8k16_bf16(d, a, b0, b1);
  }
  static __device__ __forceinline__ std::uint32_t pack(float low, float high) { return ptx::pack_bf16x2(low, high); }
  static __device__ __forceinline__ float low(std::uint32_t pair) { return __uint_as_float(pair << 16); }
  static __device__ __forceinline__ float high(std::uint32_t pair) { return __uint_as_float(pair & 0xffff0000u); }
};
struct F16 {
  static __device__ __forceinline__ void mma(float (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                                             std::uint32_t b1) {
    ptx::mma_m16n8k16_f16(d, a, b0, b1);
  }
  static __device__ __forceinline__ std::uint32_t pack(float low, float high) { return ptx::pack_f16x2(low, high); }
  static __device__ __forceinline__ float low(std::uint32_t pair) { return ptx::unpack_f16(pair); }
  static __device__ __forceinline__ float high(std::uint32_t pair) { return ptx::unpack_f16(pair >> 16); }
};

/// Chunks change places within these bytes of a row.
template <int Columns>
constexpr int kSwizzleBytes = Columns % 64 == 0 ? 128 : 64;

/// Byte offset of 16-byte chunk `chunk` of row `row` in a tile of `Columns` (a multiple of 32) elements a row.
template <int Columns>
__device__ __forceinline__ std::uint32_t chunk_offset(int row, int chunk) {
  const int swizzle = kSwizzleBytes<Columns> == 128 ? row & 7 : row >> 1 & 3;
  return std::uint32_t(row * Columns * 2 + ((chunk ^ swizzle) << 4));
}

/// One warp's view of a tile, from `row` (a multiple of 8) and `column` (of 16) on.  `column` and the steps that are
/// taken from it are XORs within kSwizzleBytes: they must have no bit in common (from column 32 on: 0 and 16, not 32).
/// Of an operand's name the first part is its place in the product: a[m][k] or b[k][n].  `_rows`: m, or n, runs over
/// the tile's rows, as q's and k's do in q k^T; `_columns`: it runs over the tile's columns, and ldmatrix transposes.
template <int Columns>
class View {
 public:
  __device__ __forceinline__ View(std::uint32_t tile, int row, int column)
      : lane_((tile + std::uint32_t(row * Columns * 2 + column * 2 / kSwizzle * kSwizzle) +
               chunk_offset<Columns>(int(threadIdx.x) % 16, int(threadIdx.x) % 32 / 16)) ^
              std::uint32_t(column * 2 % kSwizzle)) {}
  __device__ __forceinline__ View moved(std::uint32_t bytes) const {
    View other = *this;
    other.lane_ += bytes;  // whole tiles
    return other;
  }

  __device__ __forceinline__ void a_rows(std::uint32_t (&a)[4], int m16, int k16) const {
    ptx::ldmatrix_x4(a, address(m16, k16));
  }
  __device__ __forceinline__ void a_columns(std::uint32_t (&a)[4], int m16, int k16) const {
    ptx::ldmatrix_x4_trans(a, address(k16, m16));
    swap_middle(a);
  }
  /// n 0-7: b[0], b[1]; n 8-15: b[2], b[3].
  __device__ __forceinline__ void b_rows(std::uint32_t (&b)[4], int n16, int k16) const {
    ptx::ldmatrix_x4(b, address(n16, k16));
    swap_middle(b);
  }
  __device__ __forceinline__ void b_columns(std::uint32_t (&b)[4], int n16, int k16) const {
    ptx::ldmatrix_x4_trans(b, address(k16, n16));
  }

 private:
  static constexpr int kSwizzle = kSwizzleBytes<Columns>;

  /// Where this lane points ldmatrix for the 16 x 16 elements at 16 row16, 16 column16.  Blocks in the order of
  /// registers: rows 0-7 | rows 8-15 | the next 8 columns of the same two.  Chunk 2n + c of a row is chunk c XOR 2n,
  /// before the swizzle and after: what is not known to the compiler is one register.
  __device__ __forceinline__ std::uint32_t address(int row16, int column16) const {
    return (lane_ ^ std::uint32_t(column16 * 32 % kSwizzle)) +
           std::uint32_t(column16 * 32 / kSwizzle * kSwizzle + row16 * 16 * Columns * 2);
  }
  static __device__ __forceinline__ void swap_middle(std::uint32_t (&x)[4]) {
    const std::uint32_t middle = x[1];
    x[1] = x[2], x[2] = middle;
  }

  std::uint32_t lane_;
};

/// Element e of accumulator [i][j] is row 16 i + lane / 4 + 8 (e / 2), column 8 j + 2 (lane % 4) + e % 2 of the warp's
/// part of the result.
template <int M16, int N8>
using Accumulators = float[M16][N8][4];

template <int M16, int N8>
__device__ __forceinline__ void clear(Accumulators<M16, N8>& sum) {
#pragma unroll
  for (int i = 0; i < M16; ++i)
#pragma unroll
    for (int j = 0; j < N8; ++j)
#pragma unroll
      for (int e = 0; e < 4; ++e) sum[i][j][e] = 0;
}

/// sum += a b over K16 slices of 16: load_a(registers, i, kk) and load_b(registers, j, kk) fetch 16 x 16 elements.
template <class Element, int K16, int M16, int N8, class LoadA, class LoadB>
__device__ __forceinline__ void multiply(float (&sum)[M16][N8][4], LoadA load_a, LoadB load_b) {
#pragma unroll
  for (int kk = 0; kk < K16; ++kk) {
    std::uint32_t a[M16][4];
#pragma unroll
    for (int i = 0; i < M16; ++i) load_a(a[i], i, kk);
#pragma unroll
    for (int j = 0; j < N8 / 2; ++j) {
      std::uint32_t b[4];
      load_b(b, j, kk);
#pragma unroll
      for (int i = 0; i < M16; ++i) {
        Element::mma(sum[i][2 * j], a[i], b[0], b[1]);
        Element::mma(sum[i][2 * j + 1], a[i], b[2], b[3]);
      }
    }
  }
}

/// Warps that share a product's columns take 16 of them in turn: in a row of chunks, n8 tile j of warp `warp` of
/// `Warps` is chunk n8_chunk<Warps>(warp, j).  (Halves or quarters of 192 columns start within the 128 bytes of a
/// swizzle, where the steps that View takes would not be one XOR.)
template <int Warps>
__device__ __forceinline__ int n8_chunk(int warp, int j) {
  return (j / 2 * Warps + warp) * 2 + j % 2;
}

/// Rounds accumulators to the element type and stores them: rows from `row` on, chunks as n8_chunk says.
template <class Element, int Columns, int Warps, int M16, int N8>
__device__ __forceinline__ void store_accumulators(std::uint32_t tile, int row, int warp, const float (&x)[M16][N8][4],
                                                   float factor) {
  const int lane = int(threadIdx.x) % 32;
#pragma unroll
  for (int i = 0; i < M16; ++i)
#pragma unroll
    for (int half = 0; half < 2; ++half)
#pragma unroll
      for (int j = 0; j < N8; ++j)
        ptx::store_shared(
            tile + lane % 4 * 4 + chunk_offset<Columns>(row + i * 16 + half * 8 + lane / 4, n8_chunk<Warps>(warp, j)),
            Element::pack(x[i][j][half * 2] * factor, x[i][j][half * 2 + 1] * factor));
}

/// Starts the copy of `Rows` rows into a tile, by `Threads` threads; rows from `valid_rows` on become zero.
template <int Columns, int Rows, int Threads>
__device__ __forceinline__ void copy_rows(std::uint32_t tile, const void* array, std::int64_t first_element,
                                          std::int64_t row_stride, int valid_rows) {
  // Threads side by side copy this many chunks of a row: the largest power of two that divides one.
  constexpr int kChunks = Columns / 8, kPassChunks = kChunks & -kChunks, kPassRows = Threads / kPassChunks;
  static_assert(Rows % kPassRows == 0, "whole passes");
  const int chunk = int(threadIdx.x) % kPassChunks, first_row = int(threadIdx.x) / kPassChunks;
  const auto* source = static_cast<const std::uint16_t*>(array) + first_element + first_row * row_stride + chunk * 8;
#pragma unroll
  for (int i = 0; i < Rows / kPassRows; ++i) {
    const int row = first_row + i * kPassRows;
    const bool valid = row < valid_rows;
#pragma unroll
    for (int c = 0; c < kChunks; c += kPassChunks)
      ptx::cp_async_16(tile + chunk_offset<Columns>(row, chunk + c), valid ? source + c * 8 : array, valid ? 16 : 0);
    source += kPassRows * row_stride;
  }
}

/// Stores a tile's first `valid_rows` rows, 16 bytes a thread.  `thread` of `Threads` takes part.
template <int Columns, int Rows, int Threads>
__device__ __forceinline__ void store_rows(void* array, std::int64_t first_element, std::int64_t row_stride,
                                           const std::uint16_t* tile, int valid_rows, int thread) {
  constexpr int kChunks = Columns / 8;
  static_assert(Rows * kChunks % Threads == 0, "whole passes");
  auto* target = static_cast<std::uint16_t*>(array) + first_element;
#pragma unroll
  for (int i = 0; i < Rows * kChunks / Threads; ++i) {
    const int row = (i * Threads + thread) / kChunks, chunk = (i * Threads + thread) % kChunks;
    if (row < valid_rows)
      *reinterpret_cast<uint4*>(target + row * row_stride + chunk * 8) = *reinterpret_cast<const uint4*>(
          reinterpret_cast<const unsigned char*>(tile) + chunk_offset<Columns>(row, chunk));
  }
}

}  // namespace assay::swizzled
