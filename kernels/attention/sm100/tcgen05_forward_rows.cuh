// What tcgen05_forward.cuh does with rows.  Lane l of tensor memory is row l of a half, and so is thread l of a
// softmax warpgroup: a thread has a whole row of scores, and nothing is exchanged between threads.
#pragma once
#include <cuda_runtime.h>

#include "kernels/attention/sm100/tcgen05_forward_params.h"
#include "kernels/attention/sm100/tcgen05_forward_tile.h"
#include "kernels/common/ptx/convert.cuh"
#include "kernels/common/ptx/packed_f32.cuh"

namespace assay::sm100_attention {

constexpr int kKeys = 128;
using Scores = std::uint32_t[4][32];  // of a row, as tensor memory gives them: fp32 of key 32 i + j

__device__ __forceinline__ float score(const Scores& s, int key) { return __uint_as_float(s[key / 32][key % 32]); }

/// Which keys a thread's row sees: from `first` to before `limit`.
struct Mask {
  int first, limit;

  __device__ __forceinline__ Mask(const Tcgen05Sm100ForwardParams& p, const AttentionQueryTile& half, int row) {
    const int seen = half.position + row + 1;
    limit = p.causal ? seen : half.keys;
    first = p.window > 0 ? seen - p.window : 0;
  }

  /// Hides keys of the tile that begins at `key`.
  __device__ __forceinline__ void apply(Scores& s, int key) const {
    const int from = first - key, to = limit - key;
#pragma unroll
    for (int i = 0; i < kKeys; ++i)
      if (!(i >= from && i < to)) s[i / 32][i % 32] = 0xff800000;  // -infinity
  }
};

__device__ __forceinline__ float2 both(float value) { return make_float2(value, value); }

/// 2^x for x from -126 to 126 without MUFU, less than 4 fp32 roundoffs off (2.1e-7; ex2.approx: 2 ulp).  The fraction's
/// polynomial is the minimax one of degree 5 on [-1/2, 1/2] (degree 4: 2.7e-6, degree 3: 7.5e-5, which the sum of the
/// weights, and with it lse, would show).  One at a time: pairs would want the constants twice in registers, which are
/// all in use, and not in the instructions.
__device__ __forceinline__ float exp2_polynomial(float x) {
  constexpr float kRound = 12582912.f;  // 1.5 * 2^23: adding it leaves an integer in the lowest bits
  x = fmaxf(x, -126.f);                 // the exponent must not leave its field; nobody misses 2^-126
  const float shifted = x + kRound, fraction = x - (shifted - kRound);
  float p = 0.0013276472454890609f;
  p = fmaf(p, fraction, 0.009675540961325169f);
  p = fmaf(p, fraction, 0.05550713092088699f);
  p = fmaf(p, fraction, 0.24022120237350464f);
  p = fmaf(p, fraction, 0.6931469440460205f);
  p = fmaf(p, fraction, 1.0000001192092896f);
  return __uint_as_float(__float_as_uint(p) + (__float_as_uint(shifted) << 23));
}

/// Whether the exponentials of scores 2 i and 2 i + 1 come from the polynomial.
__device__ __forceinline__ constexpr bool polynomial_pair(int i) {
#if defined(__CUDA_ARCH__)
  return i % 4 < sm100_polynomial_pairs(__CUDA_ARCH__ / 10);
#else
  return false;
#endif
}

/// The running softmax of a row.  Weights are 2^(s c - shift).  `shift` is the maximum of s c less Element::kStart, or
/// up to kMost less: it follows only where the maximum has grown by more, so that the output is seldom rescaled.  That
/// is exact: weights, sum and lse all use the same shift.
template <class Element>
struct Softmax {
  float shift = -INFINITY;  // no key seen yet
  float sum = 0;

  /// Takes the tile's maximum into account; what was summed before is to be multiplied by the result.
  __device__ __forceinline__ float follow_maximum(const Scores& s, float scale_log2) {
    float max[4];  // four chains: one would wait for itself
#pragma unroll
    for (int i = 0; i < 4; ++i) max[i] = score(s, i);
#pragma unroll
    for (int i = 4; i < kKeys; i += 8)
#pragma unroll
      for (int j = 0; j < 4; ++j)
        max[j] = fmaxf(max[j], i + 4 < kKeys ? fmaxf(score(s, i + j), score(s, i + 4 + j)) : score(s, i + j));
    const float largest = fmaxf(fmaxf(max[0], max[1]), fmaxf(max[2], max[3])) * scale_log2;
    if (!(largest - shift > Element::kMost)) return 1;  // NaN where neither has seen a key
    const float rescale = ptx::exp2_approximate(shift - (largest - Element::kStart));
    shift = largest - Element::kStart;
    sum *= rescale;
    return rescale;
  }

  /// Weights of 32 scores from `first` on, rounded and packed.  Only in masked tiles can a row have seen no key yet:
  /// its maximum, -infinity, must not be subtracted from itself.
  template <bool kMasked>
  __device__ __forceinline__ void weigh(std::uint32_t (&packed)[8 * Element::kBytes], const Scores& s, int first,
                                        float scale_log2) {
    const float minus_shift = kMasked && shift == -INFINITY ? 0.f : -shift;
    float2 total[2] = {both(0), both(0)};  // two chains
    float2 even = both(0);                 // 8 bits: the pair that shares a word with the next
#pragma unroll
    for (int i = 0; i < 16; ++i) {
      const float2 s2 = make_float2(score(s, first + 2 * i), score(s, first + 2 * i + 1));
      const float2 x = ptx::fma_f32x2(s2, both(scale_log2), both(minus_shift));
      float2 weight;
      // Masked tiles use MUFU alone: 2^-infinity is 0, and hidden keys weigh nothing.
      if (!kMasked && polynomial_pair(i))
        weight = make_float2(exp2_polynomial(x.x), exp2_polynomial(x.y));
      else
        weight = make_float2(ptx::exp2_approximate(x.x), ptx::exp2_approximate(x.y));
      total[i % 2] = ptx::add_f32x2(total[i % 2], weight);
      if constexpr (Element::kBytes == 2) {
        packed[i] = Element::pack(weight.x, weight.y);
      } else {
        if (i % 2 == 0)
          even = weight;
        else
          packed[i / 2] = ptx::pack_e4m3x4(even.x, even.y, weight.x, weight.y);
      }
    }
    const float2 all = ptx::add_f32x2(total[0], total[1]);
    sum += all.x + all.y;
  }

  __device__ __forceinline__ float inverse() const { return sum == 0 ? 0.f : 1 / sum; }  // no key in sight: o = 0
  __device__ __forceinline__ float lse() const {  // no key in sight: -inf + log(0)
    constexpr float kLn2 = 0.693147180559945f;
    return shift * kLn2 + logf(sum);
  }
};

// ---- rows of o and lse --------------------------------------------------------------------------------------------
__device__ __forceinline__ float* lse_rows(const Tcgen05Sm100ForwardParams& p, const AttentionQueryTile& half,
                                           int head) {
  return p.lse + half.lse + head * p.lse_head_stride;
}

/// First element of a warp's rows of o.
__device__ __forceinline__ std::uint16_t* output_rows(const Tcgen05Sm100ForwardParams& p,
                                                      const AttentionQueryTile& half, int head, int warp_row) {
  const std::int64_t row = std::int64_t(half.q_row) + warp_row;
  return static_cast<std::uint16_t*>(p.o) + (row * p.schedule.heads + head) * p.value_dim;
}

/// Byte offset of 16-byte chunk `chunk` of row `row` in a panel of 128-byte rows under the 128-byte swizzle.
__device__ __forceinline__ int panel_offset(int row, int chunk) { return row * 128 + (chunk ^ row % 8) * 16; }

/// Stores the first `rows` of a warp's staged 32 rows, 16 bytes at a time.
template <int kPanelBytes>
__device__ __forceinline__ void store_rows(const Tcgen05Sm100ForwardParams& p, std::uint16_t* o, int rows,
                                           const unsigned char* staging) {
  const int lane = threadIdx.x % 32, chunk = lane % 8;  // eight lanes share a row's panel
  for (int panel = 0; panel * 64 < p.value_dim; ++panel)
    for (int row = lane / 8; row < rows; row += 4)
      if (panel * 64 + chunk * 8 < p.value_dim)
        *reinterpret_cast<uint4*>(o + std::int64_t(row) * p.schedule.heads * p.value_dim + panel * 64 + chunk * 8) =
            *reinterpret_cast<const uint4*>(staging + panel * kPanelBytes + panel_offset(row, chunk));
}

/// A thread's row of lse and a warp's rows of o where no query of the half sees a key.
__device__ __forceinline__ void store_nothing_seen(const Tcgen05Sm100ForwardParams& p, const AttentionQueryTile& half,
                                                   int head, int warp_row) {
  const int lane = threadIdx.x % 32, rows = min(half.queries - warp_row, 32);
  if (lane < rows) lse_rows(p, half, head)[warp_row + lane] = -INFINITY;
  std::uint16_t* o = output_rows(p, half, head, warp_row);
  for (int row = 0; row < rows; ++row)
    for (int column = lane * 8; column < p.value_dim; column += 32 * 8)
      *reinterpret_cast<uint4*>(o + std::int64_t(row) * p.schedule.heads * p.value_dim + column) =
          make_uint4(0, 0, 0, 0);
}

}  // namespace assay::sm100_attention
