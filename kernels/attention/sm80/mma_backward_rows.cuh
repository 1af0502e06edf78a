// mma_sm80's backward pass: the kernels before and after the main one, which only move memory.
//
// prepare     A block has 16 queries of one head: delta = sum o do and lse log2(e) go to workspaces, and the block's
//             part of dq_sum becomes zero.  A query that sees no key has lse = -infinity; as +infinity its
//             probabilities 2^(s c - lse c) are 0, where -infinity minus itself would be NaN.
// convert     The same block of dq_sum, out of the order of accumulators through shared memory, times the scale,
//             rounded: dq.
// Bytes       per query and head: prepare reads 4 value_dim and writes 4 head_dim + 8, convert reads 4 head_dim and
//             writes 2 head_dim.
// Source      Dao, "FlashAttention-2" (arXiv 2307.08691).  C++17.
#pragma once
#include "kernels/attention/sm80/mma_backward_sequence.cuh"
#include "kernels/attention/sm80/swizzled_operand.cuh"
#include "kernels/common/ptx/shared_address.cuh"

namespace assay::mma_sm80_backward {

/// sum over a pair's two elements of x y.
template <class Element>
__device__ __forceinline__ float dot(std::uint32_t x, std::uint32_t y) {
  return Element::low(x) * Element::low(y) + Element::high(x) * Element::high(y);
}

template <class Element, class Rows>
__device__ __forceinline__ void prepare(const Params& p) {
  const int head = int(blockIdx.y), row = int(threadIdx.x) / Rows::kRowLanes,
            chunk = int(threadIdx.x) % Rows::kRowLanes;
  const Sequence sequence = locate_sequence(p, int(blockIdx.z));
  const int query = int(blockIdx.x) * kDqBlock + row;
  if (int(blockIdx.x) * kDqBlock >= sequence.queries) return;
  if (p.dq_sum != nullptr) {
    float4* zero = reinterpret_cast<float4*>(dq_block<Rows::kHeadDim>(p, sequence, int(blockIdx.x), head));
#pragma unroll
    for (int i = int(threadIdx.x); i < kDqBlock * Rows::kHeadDim / 4; i += Rows::kPrepareThreads)
      zero[i] = float4{0, 0, 0, 0};
  }
  float delta = 0;
  if (query < sequence.queries && chunk < Rows::kValueChunks) {
    const std::int64_t element = ((sequence.query_row + query) * p.heads + head) * Rows::kValueDim + chunk * 8;
    const uint4 o = *reinterpret_cast<const uint4*>(static_cast<const std::uint16_t*>(p.o) + element),
                d_o = *reinterpret_cast<const uint4*>(static_cast<const std::uint16_t*>(p.d_o) + element);
    delta = dot<Element>(o.x, d_o.x) + dot<Element>(o.y, d_o.y) + dot<Element>(o.z, d_o.z) + dot<Element>(o.w, d_o.w);
  }
#pragma unroll
  for (int distance = Rows::kRowLanes / 2; distance > 0; distance /= 2)
    delta += __shfl_xor_sync(0xffffffff, delta, distance);
  if (chunk > 0 || query >= sequence.queries) return;
  const std::int64_t at = sequence.lse + head * p.lse_head_stride + query;
  const float lse = p.lse[at];
  p.delta[at] = delta;
  p.lse_log2[at] = lse == -INFINITY ? INFINITY : lse * 1.44269504088896f;  // log2(e)
}

template <class Element, class Rows>
__device__ __forceinline__ void convert(const Params& p) {
  constexpr int kHeadDim = Rows::kHeadDim, kThreads = Rows::kConvertThreads;
  __shared__ alignas(1024) std::uint16_t staging[kDqBlock * kHeadDim];
  const int head = int(blockIdx.y), lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;
  const Sequence sequence = locate_sequence(p, int(blockIdx.z));
  const int first_query = int(blockIdx.x) * kDqBlock;
  if (first_query >= sequence.queries) return;
  constexpr int kTiles = kHeadDim / 8 / (kThreads / 32);  // n8 tiles a warp
  const float* sum = dq_block<kHeadDim>(p, sequence, int(blockIdx.x), head) + warp * kTiles * 128 + lane;
  float dq[1][kTiles][4];
#pragma unroll
  for (int j = 0; j < kTiles; ++j)
#pragma unroll
    for (int e = 0; e < 4; ++e) dq[0][j][e] = sum[(j * 4 + e) * 32];
  swizzled::store_accumulators<Element, kHeadDim, 1>(ptx::shared_address(staging), 0, warp * kTiles / 2, dq, p.scale);
  __syncthreads();
  swizzled::store_rows<kHeadDim, kDqBlock, kThreads>(
      p.dq, ((sequence.query_row + first_query) * p.heads + head) * kHeadDim, std::int64_t(p.heads) * kHeadDim, staging,
      sequence.queries - first_query, int(threadIdx.x));
}

}  // namespace assay::mma_sm80_backward
