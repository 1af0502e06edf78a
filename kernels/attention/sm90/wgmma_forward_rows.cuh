// What a thread of a consumer warpgroup of wgmma_forward.cuh knows of its query rows: their mask, the running
// softmax, and the way out.  C++17.
//
// A thread holds elements of two rows of the warpgroup's 64: 16 * warp + lane / 4 ("half" 0) and 8 below it (half 1).
// In every array of accumulators, element 4 j + 2 half + e is column 8 j + 2 (lane % 4) + e; the four lanes that share
// a row are its "quad".
#pragma once
#include <cuda_runtime.h>

#include "kernels/attention/sm90/wgmma_forward_params.h"
#include "kernels/common/ptx/convert.cuh"
#include "kernels/common/ptx/fence.cuh"
#include "kernels/common/ptx/shared_address.cuh"
#include "kernels/common/ptx/stmatrix.cuh"
#include "kernels/common/ptx/tma.cuh"
#include "kernels/common/ptx/wgmma_descriptor.h"

namespace assay::sm90_attention {

/// Which keys a thread's two rows see: from `first` to before `limit` in half 0, `step` more in half 1.  Both count
/// from the thread's first column.
struct Mask {
  int first, limit, first_step, limit_step;

  __device__ __forceinline__ Mask(const WgmmaSm90ForwardParams& p, const AttentionQueryTile& tile, int row) {
    const int column = static_cast<int>(threadIdx.x) % 4 * 2, seen = tile.position + row + 1;
    limit = (p.causal ? seen : tile.keys) - column;
    limit_step = p.causal ? 8 : 0;
    first = (p.window > 0 ? seen - p.window : 0) - column;  // without a window nothing lies before key 0
    first_step = p.window > 0 ? 8 : 0;
  }

  /// Hides keys of the tile that begins at `key`.
  template <int kCount>
  __device__ __forceinline__ void apply(float (&s)[kCount], int key) const {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int from = first - key + half * first_step, to = limit - key + half * limit_step;
#pragma unroll
      for (int j = 0; j < kCount / 4; ++j)
#pragma unroll
        for (int e = 0; e < 2; ++e)
          if (!(8 * j + e >= from && 8 * j + e < to)) s[4 * j + 2 * half + e] = -INFINITY;
    }
  }
};

/// The running softmax of a thread's rows.
struct Softmax {
  float max[2] = {-INFINITY, -INFINITY};  // of the unscaled scores so far; -inf: no key seen yet
  float sum[2] = {0, 0};                  // of this thread's columns alone: the quad adds up once, at the end

  /// Takes the tile's maxima into account and turns s into probabilities 2^(s c - max c), one FFMA and one ex2 each.
  /// What was summed under the old maxima must be multiplied by `rescale`.  The rounded max c is used everywhere, so
  /// that its rounding cancels.  Only in masked tiles can a row have seen no key yet: its maximum, -inf, must not be
  /// subtracted from itself.  kExponent: probabilities times 2^kExponent.
  template <bool kMasked, int kExponent, int kCount>
  __device__ __forceinline__ void update(float (&s)[kCount], float (&rescale)[2], float scale_log2) {
    float m[2] = {max[0], max[1]}, shift[2];
#pragma unroll
    for (int i = 0; i < kCount; i += 2) m[i / 2 % 2] = fmaxf(m[i / 2 % 2], fmaxf(s[i], s[i + 1]));
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      m[half] = fmaxf(m[half], __shfl_xor_sync(0xffffffff, m[half], 1));
      m[half] = fmaxf(m[half], __shfl_xor_sync(0xffffffff, m[half], 2));
      shift[half] = kMasked && m[half] == -INFINITY ? 0.f : m[half] * scale_log2;
      rescale[half] = ptx::exp2_approximate(max[half] * scale_log2 - shift[half]);
      if constexpr (kExponent != 0) shift[half] -= kExponent;
      max[half] = m[half];
      sum[half] *= rescale[half];
    }
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      s[i] = ptx::exp2_approximate(s[i] * scale_log2 - shift[i / 2 % 2]);
      sum[i / 2 % 2] += s[i];
    }
  }

  /// The row's whole sum, in all four lanes.
  __device__ __forceinline__ float total(int half) const {
    float all = sum[half];
    all += __shfl_xor_sync(0xffffffff, all, 1);
    all += __shfl_xor_sync(0xffffffff, all, 2);
    return all;
  }
};

/// lse of the thread's rows; `sum` is that of the probabilities.
__device__ __forceinline__ void store_lse(const WgmmaSm90ForwardParams& p, const AttentionWork& work, int row,
                                          const float (&max)[2], const float (&sum)[2], float scale_log2) {
  constexpr float kLn2 = 0.693147180559945f;
  if (threadIdx.x % 4 != 0) return;
  float* lse = p.lse + work.tile.lse + work.head * p.lse_head_stride;
#pragma unroll
  for (int half = 0; half < 2; ++half)  // no key in sight: -inf + log(0)
    if (row + half * 8 < work.tile.queries) lse[row + half * 8] = max[half] * scale_log2 * kLn2 + logf(sum[half]);
}

/// First element of a warp's rows of o.
__device__ __forceinline__ std::uint16_t* output_rows(const WgmmaSm90ForwardParams& p, const AttentionWork& work,
                                                      int warp_row) {
  const std::int64_t row = std::int64_t(work.tile.q_row) + warp_row;
  return static_cast<std::uint16_t*>(p.o) + (row * p.schedule.heads + work.head) * p.value_dim;
}

/// Writes the warp's 16 rows of accumulators, rounded, into `staging`: a panel of 64 columns after the other,
/// kPanelBytes apart.
template <class Element, int kPanelBytes, int kCount>
__device__ __forceinline__ void stage_output(std::uint32_t staging, const float (&o)[kCount],
                                             const float (&factor)[2]) {
  const int lane = threadIdx.x % 32, block = lane / 8, block_row = block % 2 * 8 + lane % 8;  // whose address it gives
#pragma unroll
  for (int j = 0; j < kCount / 4; j += 2) {  // blocks of 8 columns, two per stmatrix
    const float* v = &o[4 * j];
    const std::uint32_t address =
        staging + j / 8 * kPanelBytes + ptx::swizzle_128b(block_row * 128 + (j % 8 + block / 2) * 16);
    ptx::stmatrix_x4(
        address, Element::pack(v[0] * factor[0], v[1] * factor[0]), Element::pack(v[2] * factor[1], v[3] * factor[1]),
        Element::pack(v[4] * factor[0], v[5] * factor[0]), Element::pack(v[6] * factor[1], v[7] * factor[1]));
  }
}

/// Stores the first `rows` of the warp's staged 16 rows, 16 bytes at a time.
template <int kPanelBytes>
__device__ __forceinline__ void store_rows(const WgmmaSm90ForwardParams& p, const AttentionWork& work, int warp_row,
                                           int rows, const unsigned char* staging) {
  std::uint16_t* o = output_rows(p, work, warp_row);
  const int lane = threadIdx.x % 32, chunk = lane % 8;  // eight lanes share a row's panel
  for (int panel = 0; panel * 64 < p.value_dim; ++panel)
    for (int row = lane / 8; row < rows; row += 4)
      if (panel * 64 + chunk * 8 < p.value_dim)
        *reinterpret_cast<uint4*>(o + std::int64_t(row) * p.schedule.heads * p.value_dim + panel * 64 + chunk * 8) =
            *reinterpret_cast<const uint4*>(staging + panel * kPanelBytes + ptx::swizzle_128b(row * 128 + chunk * 16));
}

/// The output of rows that see no key at all.
__device__ __forceinline__ void store_zeros(const WgmmaSm90ForwardParams& p, const AttentionWork& work, int warp_row,
                                            int rows) {
  std::uint16_t* o = output_rows(p, work, warp_row);
  const int lane = threadIdx.x % 32;
  for (int row = 0; row < rows; ++row)
    for (int column = lane * 8; column < p.value_dim; column += 32 * 8)
      *reinterpret_cast<uint4*>(o + std::int64_t(row) * p.schedule.heads * p.value_dim + column) =
          make_uint4(0, 0, 0, 0);
}

}  // namespace assay::sm90_attention
