// Transposing 8-bit values in shared memory: rows that are keys become rows that are dimensions, in the same place, as
// the second product of wgmma_forward.cuh must have them.  C++17.
//
// A tile is 128 rows of 128 bytes under the 128-byte swizzle: 128 keys of up to 128 dimensions; or 64 keys of 256, the
// second 128 dimensions below the first, of which each row of the result has 64 keys of one dimension and 64 of the
// 128th after it.  It is an 8 x 8 arrangement of granules, 16 rows by 16 bytes.  Granule (i, j) goes to (j, i).  The
// eight granules with i ^ j = x change places among themselves alone, so that a warp takes such a class at a time:
// loads it, waits for its own lanes, stores it; warps need not know of each other.
//
// ldmatrix transposes pairs of bytes: of 8 keys by 16 dimensions, lane 4 g + t gets dimensions 2 g and 2 g + 1 of keys
// 2 t and 2 t + 1.  Two such registers, of the granule's first and second 8 keys, hold two rows of the result, which
// `prmt` parts: 4 bytes each, in the order that the probabilities have (wgmma_forward_products.cuh).  stmatrix
// stores eight rows at a time, and rows 2 g would fall into the same banks by fours: lanes of the lower half give the
// even row first, those of the upper half the odd one, which is a matter of their prmt's selector.
#pragma once
#include <cuda_runtime.h>

#include "kernels/common/ptx/ldmatrix.cuh"
#include "kernels/common/ptx/stmatrix.cuh"

namespace assay::sm90_attention {

/// Transposes class `x` of a tile of rows whose first kWidth bytes count (64: the granules (i, j) with j < 4).  By a
/// warp.
template <int kWidth>
__device__ __forceinline__ void transpose_class(std::uint32_t tile, int x) {
  static_assert(kWidth == 64 || kWidth == 128);
  constexpr int kPairs = kWidth / 32;  // of granules 2 u and 2 u + 1, an ldmatrix each
  const int lane = threadIdx.x % 32, odd = lane / 16, row = lane % 8;
  const int granule = (kWidth == 64 ? x & 4 : 0) | odd;  // of the pair u = 0, whose row the lane points at
  std::uint32_t block[kPairs][4];
  // Row lane % 16 of granule 2 u + odd, chunk (2 u + odd) ^ x.
  const std::uint32_t from = tile + (granule * 16 + lane % 16) * 128, from_chunk = (granule ^ x ^ row) * 16;
#pragma unroll
  for (int u = 0; u < kPairs; ++u) ptx::ldmatrix_x4_trans(block[u], from + u * 4096 + (from_chunk ^ (u * 32)));
  __syncwarp();  // nothing is overwritten before all lanes have read
  const bool upper = lane >= 16, second = lane / 8 % 2;
  const std::uint32_t first_row = upper ? 0x7531 : 0x6420, second_row = upper ? 0x6420 : 0x7531;  // the odd, the even
  const int dim = 2 * row + ((row >= 4) != second);  // the row the lane points at
  const std::uint32_t to = tile + dim * 128, to_granule = (granule ^ x) * 2048, to_chunk = (granule ^ dim % 8) * 16;
#pragma unroll
  for (int u = 0; u < kPairs; ++u) {
    const std::uint32_t(&b)[4] = block[u];
    ptx::stmatrix_x4(to + (to_granule ^ (u * 4096)) + (to_chunk ^ (u * 32)), __byte_perm(b[0], b[1], first_row),
                     __byte_perm(b[0], b[1], second_row), __byte_perm(b[2], b[3], first_row),
                     __byte_perm(b[2], b[3], second_row));
  }
}

/// Transposes what warp `warp` of kWarps has of a tile of kValueDim dimensions.
template <int kValueDim, int kWarps>
__device__ __forceinline__ void transpose_values(std::uint32_t tile, int warp) {
#pragma unroll 1
  for (int x = warp; x < 8; x += kWarps) transpose_class<(kValueDim < 128 ? 64 : 128)>(tile, x);
}

}  // namespace assay::sm90_attention
