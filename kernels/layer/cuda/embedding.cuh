// The token embedding, forward and backward, for any GPU from sm_80 on.
//
// Forward     Copies rows: four words of 16 bytes a thread in flight (64 bytes, 2048 threads a multiprocessor: 128
//             KB).
// Backward    Each row of dw that tokens name gets its gradients in the tokens' order, every sum rounded: the
//             contract's bits, whatever the GPU.  The tokens of an id are found without sorting and without touching
//             a word of memory for ids that do not occur:
//               reset   clears the counters of the ids that occur
//               count   each token counts itself; who came first speaks for its id
//               rows    the speaker takes a row number and a stretch of `list`
//               order   the tokens of an id take the places of its stretch, in any order where there are up to 32 of
//                       them; of an id with more a warp goes through all ids and writes its tokens in order
//               add     a warp a row and 128 columns: brings up to 32 tokens into order by itself, then adds, eight
//                       gradients (four of fp32) asked for at a time
//             Integer atomics decide numbers and places, never the order of a sum.
// Tile        add: 128 columns, 4 a lane (8 bytes of bf16 dy, 16 of dw: see cuda/adamw.cuh), so that the row of an id
//             that half of all tokens have is spread over many warps.
// In flight   add: 8 x 8 x 32 = 2 KB a warp in bf16, 32 warps (64 registers): 64 KB, where Little's law asks for 18
//             (H100), 25 (H200) and 38 KB (B200).  Ids that occur once have one gradient and one row in flight: 24
//             bytes a lane, 24 KB: a B200 may then be short of requests.
// Shapes      Any.  dim or arrays that are no multiples of a vector: an element at a time.
// Status      Proven in tests/simt; not yet run on a GPU.
// Source      Written for this project.
#pragma once
#include "kernels/layer/cuda/elements.cuh"
#include "kernels/layer/cuda/embedding.h"

namespace assay::layer_cuda {

__device__ __forceinline__ bool is_word(const EmbeddingParams& p, std::int32_t id) { return id >= 0 && id < p.vocab; }

/// All bits set: NaN in bf16 and fp32.
__device__ __forceinline__ void set_nan(uint4& word) { word = make_uint4(~0U, ~0U, ~0U, ~0U); }
__device__ __forceinline__ void set_nan(std::uint32_t& word) { word = ~0U; }
__device__ __forceinline__ void set_nan(std::uint16_t& word) { word = 0xffff; }

/// Word: uint4, or an element.
template <class Word>
__global__ void __launch_bounds__(kEmbeddingThreads) embedding_gather(EmbeddingParams p) {
  const std::int64_t first = std::int64_t(blockIdx.x) * (kEmbeddingThreads * kEmbeddingUnroll) + threadIdx.x;
  Word word[kEmbeddingUnroll];
#pragma unroll
  for (int u = 0; u < kEmbeddingUnroll; ++u) {
    const std::int64_t i = first + u * kEmbeddingThreads;
    if (i >= p.items) continue;
    const std::uint32_t token = p.words.quotient(std::uint32_t(i));
    const std::int32_t id = __ldg(p.ids + token);
    if (is_word(p, id))
      word[u] = __ldg(static_cast<const Word*>(p.w) + (std::int64_t(id) - token) * p.words.divisor + i);
    else
      set_nan(word[u]);
  }
#pragma unroll
  for (int u = 0; u < kEmbeddingUnroll; ++u) {
    const std::int64_t i = first + u * kEmbeddingThreads;
    if (i < p.items) static_cast<Word*>(p.y)[i] = word[u];
  }
}

__device__ __forceinline__ std::int64_t embedding_token() {
  return std::int64_t(blockIdx.x) * kEmbeddingThreads + threadIdx.x;
}

__global__ void __launch_bounds__(kEmbeddingThreads) embedding_reset(EmbeddingParams p) {
  const std::int64_t t = embedding_token();
  if (t == 0) *p.counters = {0, 0, 0};
  if (t < p.tokens && is_word(p, p.ids[t])) atomicExch(p.count + p.ids[t], 0);  // several threads, the same word
}

__global__ void __launch_bounds__(kEmbeddingThreads) embedding_count(EmbeddingParams p) {
  const std::int64_t t = embedding_token();
  if (t >= p.tokens) return;
  const std::int32_t id = p.ids[t];
  p.arrival[t] = is_word(p, id) ? atomicAdd(p.count + id, 1) : -1;
}

__global__ void __launch_bounds__(kEmbeddingThreads) embedding_rows(EmbeddingParams p) {
  const std::int64_t t = embedding_token();
  if (t >= p.tokens || p.arrival[t] != 0) return;
  const std::int32_t id = p.ids[t], count = p.count[id];
  const std::int32_t first = atomicAdd(&p.counters->listed, count), row = atomicAdd(&p.counters->rows, 1);
  p.first[id] = first;
  p.rows[row] = {id, first, count};
  if (count > kEmbeddingFew) p.hot[atomicAdd(&p.counters->hot, 1)] = row;
}

/// All tokens of a row, in order, by one warp.
__device__ __forceinline__ void list_in_order(const EmbeddingParams& p, const EmbeddingRow& row) {
  const unsigned lane = threadIdx.x % 32;
  std::int32_t written = 0;
  for (std::int64_t base = 0; written < row.count; base += 32) {
    const std::int64_t t = base + lane;
    const bool mine = t < p.tokens && __ldg(p.ids + t) == row.id;
    const unsigned all = __ballot_sync(0xffffffffU, mine);
    if (mine) p.list[row.first + written + __popc(all & ((1U << lane) - 1))] = std::int32_t(t);
    written += __popc(all);
  }
}

/// The first token_blocks blocks place tokens of ids with few; each warp of the others takes ids with many.
__global__ void __launch_bounds__(kEmbeddingThreads) embedding_order(EmbeddingParams p) {
  if (int(blockIdx.x) < p.token_blocks) {
    const std::int64_t t = embedding_token();
    if (t >= p.tokens || p.arrival[t] < 0) return;
    const std::int32_t id = p.ids[t];
    if (p.count[id] <= kEmbeddingFew) p.list[p.first[id] + p.arrival[t]] = std::int32_t(t);
    return;
  }
  const int warps = (int(gridDim.x) - p.token_blocks) * (kEmbeddingThreads / 32);
  const int warp = (int(blockIdx.x) - p.token_blocks) * (kEmbeddingThreads / 32) + int(threadIdx.x) / 32;
  for (int hot = warp; hot < p.counters->hot; hot += warps) list_in_order(p, p.rows[p.hot[hot]]);
}

/// Lane l gets the l-th smallest of `count` numbers that all differ, one a lane.
__device__ __forceinline__ std::int32_t in_order(std::int32_t mine, int count) {
  int smaller = 0;
  for (int j = 0; j < count; ++j) smaller += __shfl_sync(0xffffffffU, mine, j) < mine ? 1 : 0;
  std::int32_t result = 0;
  for (int j = 0; j < count; ++j) {
    const std::int32_t value = __shfl_sync(0xffffffffU, mine, j);
    if (__shfl_sync(0xffffffffU, smaller, j) == int(threadIdx.x) % 32) result = value;
  }
  return result;
}

/// Columns of a lane: four at once, or one.
template <class Element, int kWidth>
struct EmbeddingColumns;
template <class Element>
struct EmbeddingColumns<Element, 1> {
  typename Element::Storage gradient;
  __device__ __forceinline__ void load(const void* dy, std::int64_t at) {
    gradient = static_cast<const typename Element::Storage*>(dy)[at];
  }
  __device__ __forceinline__ void add_to(float (&sum)[1]) const { sum[0] += Element::load(gradient); }
};
template <>
struct EmbeddingColumns<Bf16, 4> {
  uint2 gradient;
  __device__ __forceinline__ void load(const void* dy, std::int64_t at) {
    gradient = ptx::load_once(reinterpret_cast<const uint2*>(static_cast<const std::uint16_t*>(dy) + at));
  }
  __device__ __forceinline__ void add_to(float (&sum)[4]) const {
    sum[0] += Bf16::low(gradient.x), sum[1] += Bf16::high(gradient.x);
    sum[2] += Bf16::low(gradient.y), sum[3] += Bf16::high(gradient.y);
  }
};
template <>
struct EmbeddingColumns<F32, 4> {
  uint4 gradient;
  __device__ __forceinline__ void load(const void* dy, std::int64_t at) {
    gradient = ptx::load_once(reinterpret_cast<const uint4*>(static_cast<const float*>(dy) + at));
  }
  __device__ __forceinline__ void add_to(float (&sum)[4]) const {
    float g[4];
    F32::unpack(gradient, g);
#pragma unroll
    for (int e = 0; e < 4; ++e) sum[e] += g[e];
  }
};

/// Adds the gradients of `count` tokens, one a lane, in the lanes' order.
template <class Element, int kWidth>
__device__ __forceinline__ void add_tokens(const EmbeddingParams& p, std::int32_t token, int count, int column,
                                           float (&sum)[kWidth]) {
  constexpr int kAtOnce = sizeof(typename Element::Storage) == 4 ? 4 : 8;  // 64 bytes a lane
  for (int base = 0; base < count; base += kAtOnce) {
    EmbeddingColumns<Element, kWidth> columns[kAtOnce];
#pragma unroll
    for (int u = 0; u < kAtOnce; ++u) {
      const std::int64_t t = __shfl_sync(0xffffffffU, token, (base + u) % 32);
      if (base + u < count && column < p.dim) columns[u].load(p.dy, t * p.dim + column);
    }
#pragma unroll
    for (int u = 0; u < kAtOnce; ++u)
      if (base + u < count && column < p.dim) columns[u].add_to(sum);
  }
}

/// kWidth fp32 of dw as one access.
template <int kWidth>
__device__ __forceinline__ void load_sums(const float* dw, float (&sum)[kWidth]) {
  if constexpr (kWidth == 4) {
    const float4 v = *reinterpret_cast<const float4*>(dw);
    sum[0] = v.x, sum[1] = v.y, sum[2] = v.z, sum[3] = v.w;
  } else {
    sum[0] = dw[0];
  }
}
template <int kWidth>
__device__ __forceinline__ void store_sums(float* dw, const float (&sum)[kWidth]) {
  if constexpr (kWidth == 4)
    *reinterpret_cast<float4*>(dw) = make_float4(sum[0], sum[1], sum[2], sum[3]);
  else
    dw[0] = sum[0];
}

/// A warp: one row's columns from tile * 32 * kWidth on.
template <class Element, int kWidth>
__global__ void __launch_bounds__(kEmbeddingThreads, sizeof(typename Element::Storage) == 4 ? 3 : 4)
    embedding_add(EmbeddingParams p) {
  const int lane = int(threadIdx.x) % 32;
  const std::int64_t warp = embedding_token() / 32, row_number = warp / p.tiles;
  if (row_number >= p.counters->rows) return;
  const EmbeddingRow row = p.rows[row_number];
  const int column = (int(warp - row_number * p.tiles) * 32 + lane) * kWidth;
  float* dw = p.dw + std::int64_t(row.id) * p.dim + column;
  float sum[kWidth] = {};
  if (column < p.dim) load_sums(dw, sum);
  for (int base = 0; base < row.count; base += 32) {
    const int count = row.count - base < 32 ? row.count - base : 32;
    std::int32_t token = lane < count ? p.list[row.first + base + lane] : 0;
    if (row.count <= kEmbeddingFew) token = in_order(token, count);
    add_tokens<Element, kWidth>(p, token, count, column, sum);
  }
  if (column < p.dim) store_sums(dw, sum);
}

}  // namespace assay::layer_cuda
