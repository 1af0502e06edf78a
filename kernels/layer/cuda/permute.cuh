// Tokens to their experts and back, forward and backward, for any GPU from sm_80 on.
//
// Plan        A stable counting sort of the slots by expert:
//               count   a warp a chunk of 256 slots: how many of each expert (integer additions in shared memory)
//               before  a warp an expert: how many in the chunks before
//               place   every block adds up the experts' counts to offsets by itself (up to 1024 numbers, from L2); a
//                       warp a chunk, 32 slots at a time: match.any tells which lanes before it have a slot's expert
//             Integers only, and places that depend on nothing but the slots: the same every time.
// Moving      permute and permute_backward, unpermute: a thread a vector of 16 bytes of a token's row, which reads
//             (adds up) or writes that vector of the row of each of its slots: x is read once, not once a slot.
//             unpermute_backward: a block a token; dy is read once from memory, and for every other slot from L1,
//             while a slot's products are reduced over the block for dweight. Padding is cleared by blocks of its
//             own, one an expert.
// In flight   16 bytes a thread and slot, up to 8 slots at once: 8 experts a token are 128 bytes x 768 threads, 96 KB a
//             multiprocessor; instances for 2 have 1536 threads, 48 KB; Little's law asks for 18 (H100), 25 (H200),
//             38 KB (B200).
// Shapes      Any; an element in place of a vector where rows or arrays are no multiples of 16 bytes.
// Hints       Rows past L1 (read once); dy of unpermute_backward through it.
// Status      Proven in tests/simt; not yet run on a GPU.
// Source      Written for this project.
#pragma once
#include "kernels/layer/cuda/elements.cuh"
#include "kernels/layer/cuda/permute.h"
#include "kernels/layer/cuda/reduce.cuh"

namespace assay::layer_cuda {

__device__ __forceinline__ int expert_of(const PermuteParams& p, int slot) {
  const int expert = slot < p.slots ? p.expert[slot] : -1;
  return expert >= 0 && expert < p.experts ? expert : -1;
}

/// Counters of one of the block's warps.
__device__ __forceinline__ int* warp_counters(const PermuteParams& p) {
  extern __shared__ int permute_counters[];
  return permute_counters + int(threadIdx.x) / 32 * p.experts;
}
__device__ __forceinline__ int plan_chunk() { return int(blockIdx.x) * kPermutePlanWarps + int(threadIdx.x) / 32; }

__global__ void __launch_bounds__(kPermutePlanWarps * 32) permute_count(PermuteParams p) {
  int* counter = warp_counters(p);
  const int lane = int(threadIdx.x) % 32, chunk = plan_chunk();
  for (std::int64_t i = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < p.capacity;
       i += std::int64_t(gridDim.x) * blockDim.x)
    p.slot_of[i] = -1;  // what place does not overwrite
  for (int e = lane; e < p.experts; e += 32) counter[e] = 0;
  __syncwarp();
  if (chunk >= p.chunks) return;
  for (int i = lane; i < kPermuteChunk; i += 32) {
    const int expert = expert_of(p, chunk * kPermuteChunk + i);
    if (expert >= 0) atomicAdd(counter + expert, 1);
  }
  __syncwarp();
  for (int e = lane; e < p.experts; e += 32) p.before[std::int64_t(e) * p.chunks + chunk] = counter[e];
}

/// The sum over the lanes before this one.
__device__ __forceinline__ int sum_before(int value) {
  const int lane = int(threadIdx.x) % 32;
  int sum = value;
#pragma unroll
  for (int distance = 1; distance < 32; distance *= 2) {
    const int other = __shfl_up_sync(0xffffffffU, sum, unsigned(distance));
    if (lane >= distance) sum += other;
  }
  return sum - value;
}

/// A warp an expert.
__global__ void __launch_bounds__(kPermutePlanWarps * 32) permute_before(PermuteParams p) {
  const int expert = plan_chunk(), lane = int(threadIdx.x) % 32;
  if (expert >= p.experts) return;
  std::int32_t* before = p.before + std::int64_t(expert) * p.chunks;
  int total = 0;
  for (int base = 0; base < p.chunks; base += 32) {
    const int count = base + lane < p.chunks ? before[base + lane] : 0;
    const int earlier = sum_before(count);
    if (base + lane < p.chunks) before[base + lane] = total + earlier;
    total += __shfl_sync(0xffffffffU, earlier + count, 31);
  }
  if (lane == 0) p.counts[expert] = total;
}

/// An expert's rows, padding included.
__device__ __forceinline__ int padded(const PermuteParams& p, int count) {
  return (count + p.alignment - 1) / p.alignment * p.alignment;
}

/// Each warp for itself: offsets of all experts into its counters; block 0's first warp writes them out.
__device__ __forceinline__ void make_offsets(const PermuteParams& p, int* offset) {
  const int lane = int(threadIdx.x) % 32;
  int total = 0;
  for (int base = 0; base < p.experts; base += 32) {
    const int rows = base + lane < p.experts ? padded(p, p.counts[base + lane]) : 0;
    const int earlier = sum_before(rows);
    if (base + lane < p.experts) offset[base + lane] = total + earlier;
    total += __shfl_sync(0xffffffffU, earlier + rows, 31);
  }
  __syncwarp();
  if (blockIdx.x != 0 || threadIdx.x >= 32) return;
  for (int e = lane; e < p.experts; e += 32) p.offsets[e] = offset[e];
  if (lane == 0) p.offsets[p.experts] = total;
}

__global__ void __launch_bounds__(kPermutePlanWarps * 32) permute_place(PermuteParams p) {
  int* next = warp_counters(p);  // the row that an expert's next slot takes
  const int lane = int(threadIdx.x) % 32, chunk = plan_chunk();
  make_offsets(p, next);
  __syncwarp();
  if (chunk >= p.chunks) return;
  for (int e = lane; e < p.experts; e += 32) next[e] += p.before[std::int64_t(e) * p.chunks + chunk];
  for (int i = lane; i < kPermuteChunk; i += 32) {
    const int slot = chunk * kPermuteChunk + i, expert = expert_of(p, slot);
    const unsigned same = __match_any_sync(0xffffffffU, expert);
    const int earlier = __popc(same & ((1U << lane) - 1));
    __syncwarp();
    const int row = expert >= 0 ? next[expert] + earlier : -1;
    __syncwarp();  // everybody has read before the first of each expert counts on
    if (expert >= 0 && earlier == 0) next[expert] += __popc(same);
    if (slot < p.slots) p.row_of[slot] = row;
    if (row >= 0) p.slot_of[row] = slot;
  }
}

// ---------------------------------------------------------------- moving
/// An element as a vector of one, so that the same code serves rows that are no multiples of 16 bytes.
template <class Element>
struct OneElement {
  using Word = typename Element::Storage;
  static constexpr int kCount = 1;
  static __device__ __forceinline__ Word load(const void* row, std::int64_t i) {
    return static_cast<const Word*>(row)[i];
  }
  static __device__ __forceinline__ Word zero() { return Word(0); }
  static __device__ __forceinline__ void unpack(const Word& w, float (&x)[1]) { x[0] = Element::load(w); }
  static __device__ __forceinline__ Word pack(const float (&x)[1]) { return Element::store(x[0]); }
};
template <class Element>
struct OneVector {
  using Word = uint4;
  static constexpr int kCount = Element::kPerVector;
  static __device__ __forceinline__ Word load(const void* row, std::int64_t i) {
    return ptx::load_once(static_cast<const uint4*>(row) + i);
  }
  static __device__ __forceinline__ Word zero() { return make_uint4(0, 0, 0, 0); }
  static __device__ __forceinline__ void unpack(const Word& w, float (&x)[kCount]) { Element::unpack(w, x); }
  static __device__ __forceinline__ Word pack(const float (&x)[kCount]) { return Element::pack(x); }
};

/// Blocks behind the tokens': rows of an expert that no token has.
template <class Access>
__device__ __forceinline__ void clear_padding(const PermuteParams& p) {
  const int expert = int(blockIdx.x) - p.token_blocks;
  auto* rows = static_cast<typename Access::Word*>(p.rows_out);
  const std::int64_t first = std::int64_t(p.offsets[expert] + p.counts[expert]) * p.words;
  const std::int64_t end = std::int64_t(p.offsets[expert + 1]) * p.words;
  for (std::int64_t i = first + threadIdx.x; i < end; i += blockDim.x) rows[i] = Access::zero();
}

struct TokenWord {
  std::int64_t token;
  int word;
};
/// Which word of which token this thread has; word_blocks blocks a token.
__device__ __forceinline__ TokenWord token_word(const PermuteParams& p) {
  const std::int64_t token = blockIdx.x / unsigned(p.word_blocks);
  return {token, int(blockIdx.x - unsigned(token) * unsigned(p.word_blocks)) * int(blockDim.x) + int(threadIdx.x)};
}

template <class Access>
__global__ void __launch_bounds__(kPermuteThreads) permute_rows(PermuteParams p) {
  if (int(blockIdx.x) >= p.token_blocks) return clear_padding<Access>(p);
  const TokenWord at = token_word(p);
  if (at.word >= p.words) return;
  const auto word = Access::load(p.tokens_in, at.token * p.words + at.word);
  auto* rows = static_cast<typename Access::Word*>(p.rows_out);
  const std::int32_t* row_of = p.row_of + at.token * p.top_k;
#pragma unroll 4
  for (int s = 0; s < p.top_k; ++s) {
    const std::int64_t row = __ldg(row_of + s);
    if (row >= 0) rows[row * p.words + at.word] = word;
  }
}

/// Sums over a token's slots, s = 0, 1, ...: kWeighted, of weight times row.  kAtOnce: slots asked for together.
template <class Access, bool kWeighted, int kAtOnce>
__global__ void __launch_bounds__(kPermuteThreads, kAtOnce == 2 ? 6 : 3) permute_sum(PermuteParams p) {
  const TokenWord at = token_word(p);
  if (at.word >= p.words) return;
  const std::int64_t slot = at.token * p.top_k;
  float sum[Access::kCount] = {};
  bool any = false;
  for (int base = 0; base < p.top_k; base += kAtOnce) {
    typename Access::Word word[kAtOnce];
    std::int32_t row[kAtOnce];
#pragma unroll
    for (int u = 0; u < kAtOnce; ++u) {
      row[u] = base + u < p.top_k ? __ldg(p.row_of + slot + base + u) : -1;
      if (row[u] >= 0) word[u] = Access::load(p.rows_in, std::int64_t(row[u]) * p.words + at.word);
    }
#pragma unroll
    for (int u = 0; u < kAtOnce; ++u) {
      if (row[u] < 0) continue;
      float x[Access::kCount];
      Access::unpack(word[u], x);
      const float weight = kWeighted ? __ldg(p.weight + slot + base + u) : 1.F;
#pragma unroll
      for (int e = 0; e < Access::kCount; ++e) {
        if constexpr (kWeighted)
          sum[e] = any ? __fmaf_rn(weight, x[e], sum[e]) : __fmul_rn(weight, x[e]);
        else
          sum[e] += x[e];
      }
      any = true;
    }
  }
  static_cast<typename Access::Word*>(p.tokens_out)[at.token * p.words + at.word] = Access::pack(sum);
}

/// A block a token.
template <class Access>
__global__ void __launch_bounds__(kPermuteThreads) unpermute_backward(PermuteParams p) {
  using Word = typename Access::Word;
  __shared__ ReduceScratch<1> scratch;
  if (int(blockIdx.x) >= p.token_blocks) return clear_padding<Access>(p);
  const std::int64_t token = blockIdx.x;
  const auto* dy = static_cast<const Word*>(p.tokens_in) + token * p.words;
  for (int s = 0; s < p.top_k; ++s) {
    const std::int64_t row = __ldg(p.row_of + token * p.top_k + s);
    const float weight = row >= 0 ? __ldg(p.weight + token * p.top_k + s) : 0.F;
    float dot[1] = {0.F};
#pragma unroll 4
    for (int i = int(threadIdx.x); i < p.words && row >= 0; i += int(blockDim.x)) {
      float d[Access::kCount], x[Access::kCount];
      Access::unpack(Access::load(p.rows_in, row * p.words + i), x);
      Access::unpack(__ldg(dy + i), d);
#pragma unroll
      for (int e = 0; e < Access::kCount; ++e) {
        dot[0] = fmaf(d[e], x[e], dot[0]);
        d[e] *= weight;
      }
      static_cast<Word*>(p.rows_out)[row * p.words + i] = Access::pack(d);
    }
    block_reduce<Sum>(dot, scratch, s);
    if (threadIdx.x == 0) p.dweight[token * p.top_k + s] = dot[0];
  }
}

}  // namespace assay::layer_cuda
