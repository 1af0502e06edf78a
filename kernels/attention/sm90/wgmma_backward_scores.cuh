// What wgmma_backward.cuh's consumers do with accumulators: scores to probabilities, dp to ds, dk and dv to
// memory. sm_90a, C++17.
#pragma once
#include "kernels/attention/sm90/wgmma_backward_copies.cuh"
#include "kernels/attention/sm90/wgmma_backward_rows.cuh"
#include "kernels/common/ptx/convert.cuh"

namespace assay::wgmma_sm90_backward {

constexpr std::uint32_t kAllConsumers = 1;  // named barriers; those of one consumer follow

/// Accumulators, rounded, as operand a of one wgmma: two neighbouring 8-column blocks.
template <class Element>
__device__ __forceinline__ void pack(std::uint32_t (&a)[4], const float* d) {
#pragma unroll
  for (int i = 0; i < 4; ++i) a[i] = Element::pack(d[2 * i], d[2 * i + 1]);
}

/// s, a row for each key and a column for each query, becomes p.
template <int kCount>
__device__ __forceinline__ void exponentiate(float (&s)[kCount], const float* lse_log2, float scale_log2) {
#pragma unroll
  for (int j = 0; j < kCount / 4; ++j) {
    const float2 lse = *reinterpret_cast<const float2*>(lse_log2 + j * 8 + threadIdx.x % 4 * 2);
#pragma unroll
    for (int e = 0; e < 4; ++e)
      s[4 * j + e] = ptx::exp2_approximate(s[4 * j + e] * scale_log2 - (e % 2 ? lse.y : lse.x));
  }
}

/// Hides from the queries, the first of which is `query`, what they must not see of keys, the first of which is `key`
/// in the tile.
template <int kCount>
__device__ __forceinline__ void mask(float (&s)[kCount], const KeyTileMask& visible, int key, int query) {
  const int thread = int(threadIdx.x) % 128, lane = thread % 32;
  const int first_key = key + thread / 32 * 16 + lane / 4, first_column = query + lane % 4 * 2;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int first = visible.first_query(first_key + half * 8) - first_column,
              end = visible.end_query(first_key + half * 8) - first_column;
#pragma unroll
    for (int j = 0; j < kCount / 4; ++j)
#pragma unroll
      for (int e = 0; e < 2; ++e)
        if (j * 8 + e < first || j * 8 + e >= end) s[4 * j + 2 * half + e] = -INFINITY;
  }
}

/// ds of 16 queries, of p and dp, in dp's place.
__device__ __forceinline__ void subtract_delta(float* dp, const float* p, const float* delta) {
#pragma unroll
  for (int j = 0; j < 2; ++j) {
    const float2 d = *reinterpret_cast<const float2*>(delta + j * 8 + threadIdx.x % 4 * 2);
#pragma unroll
    for (int e = 0; e < 4; ++e) dp[4 * j + e] = p[4 * j + e] * (dp[4 * j + e] - (e % 2 ? d.y : d.x));
  }
}

/// 64 keys of a sequence, from its `first` on.
struct KeyRows {
  std::int64_t sequence_row;
  int first, keys, kv_head;
};

/// Stores accumulators of 64 rows of dk or dv: columns from `column` on of `dim`, by way of panels at `staging`.
template <class Element, class Tile, int kCount>
__device__ __forceinline__ void store_keys(const Params& p, const KeyRows& keys, const float (&d)[kCount],
                                           void* gradient, int dim, int column, unsigned char* staging, float scale,
                                           std::uint32_t barrier) {
#pragma unroll
  for (int panel = 0; panel < kCount / 32; ++panel) {
    Rows64 rows;
    rows.count = keys.keys - keys.first, rows.columns = dim - column - panel * 64;
    rows.stride = std::int64_t(p.schedule.kv_heads) * dim;
    rows.first = static_cast<std::uint16_t*>(gradient) + (keys.sequence_row + keys.first) * rows.stride +
                 std::int64_t(keys.kv_head) * dim + column + panel * 64;
    store_block<Element>(&d[panel * 32], scale, staging + panel * Tile::kKeyPanelBytes, rows, barrier);
  }
}

}  // namespace assay::wgmma_sm90_backward
