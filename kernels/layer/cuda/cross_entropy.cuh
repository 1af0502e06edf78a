// Fused softmax cross-entropy, loss and gradient in one pass over memory, for any GPU from sm_80 on.
//
// Algorithm   A block takes row after row.  It keeps a row in shared memory while it reduces it (online maximum and
//             sum, a thread for itself, then over the block) and while it writes dlogits in place; as soon as a
//             vector has been used for the last time, cp.async fetches the next row's into its place.  Each thread
//             waits only for what it asked for itself: no barrier but those of the two reductions.  What does not fit
//             is read twice, the second time from L2.
// cp.async    Because rows of 128256 bf16 are 250 KB, four times what registers could hold beside the work, and loads
//             are to go on during reductions and stores.  With TMA a thread would have to wait for others' uses.
// Tile        A row; 1024 threads with up to 14 vectors of 16 bytes each in shared memory (224 KiB on sm_90 and
//             sm_100, 160 on an A100).  Rows of up to 104 KiB: two blocks of 512 threads a multiprocessor.
//             Of 128256 bf16, 27 KB are read again from L2, 3.6 MB on an H100 at any time; of 128256 fp32, 284 KB, 37
//             MB, which an H100's L2 (50 MB) holds only in part.
// In flight   Up to the whole next row, 224 KB a multiprocessor; Little's law asks for 18 (H100), 25 (H200), 38 KB
//             (B200).
// Arithmetic  Two ex2 and about 22 instructions an element, for 4 bytes of traffic in bf16: on an H100 3.8 elements a
//             cycle and multiprocessor, 7.6 of its 16 special functions; on an H200 10.7; on a B200 14.2: there they
//             nearly bound.
// Shapes      Any.  Rows that do not begin on 16 bytes (odd vocabularies) have up to 7 elements before and behind
//             their vectors, a thread each.
// Status      Proven in tests/simt; not yet run on a GPU.
// Source      Online softmax: Milakov and Gimelshein, arXiv 1805.02867; written for this project.
#pragma once
#include "kernels/common/ptx/cp_async.cuh"
#include "kernels/common/ptx/shared_address.cuh"
#include "kernels/layer/cuda/cross_entropy.h"
#include "kernels/layer/cuda/elements.cuh"
#include "kernels/layer/cuda/reduce.cuh"

namespace assay::layer_cuda {

inline constexpr float kLog2E = 1.4426950408889634F;

/// A row cut at multiples of 16 bytes: `head` elements, then vectors, then `tail` elements.
template <class Element>
struct LogitsRow {
  typename Element::Storage* first;
  uint4* vector;
  int head, tail, vectors;

  __device__ __forceinline__ LogitsRow(const CrossEntropyParams& p, std::int64_t row) {
    first = static_cast<typename Element::Storage*>(p.logits) + row * p.vocab;
    const int to_vector = int((16 - (reinterpret_cast<std::uint64_t>(first) & 15)) & 15) / int(sizeof(*first));
    head = to_vector < int(p.vocab) ? to_vector : int(p.vocab);
    vectors = (int(p.vocab) - head) / Element::kPerVector;
    tail = int(p.vocab) - head - vectors * Element::kPerVector;
    vector = reinterpret_cast<uint4*>(first + head);
  }
  /// The element outside the vectors that is this thread's, or -1: heads are the first warp's, tails the second's.
  __device__ __forceinline__ int edge() const {
    const int thread = int(threadIdx.x);
    if (thread < head) return thread;
    return thread >= 32 && thread - 32 < tail ? head + vectors * Element::kPerVector + thread - 32 : -1;
  }
};

/// exp(x - from).  The difference comes first: as fma(x, log2(e), -log2(e) from) a large x would keep the rounding of
/// its own product, which is many powers of two.
__device__ __forceinline__ float exponential(float x, float from) { return ptx::exp2_approximate((x - from) * kLog2E); }

struct OnlineSoftmax {
  float max = -INFINITY, sum = 0.F;  // sum of exp(x - max)

  /// What exponents are taken from: -infinity minus itself would be NaN, where words that cannot occur count 0.
  static __device__ __forceinline__ float base(float max) { return max == -INFINITY ? 0.F : max; }

  template <int kCount>
  __device__ __forceinline__ void take(const float (&x)[kCount]) {
    float largest = x[0];
#pragma unroll
    for (int e = 1; e < kCount; ++e) largest = fmaxf(largest, x[e]);
    if (largest > max) {
      sum *= exponential(max, largest);
      max = largest;
    }
    const float from = base(max);
#pragma unroll
    for (int e = 0; e < kCount; ++e) sum += exponential(x[e], from);
  }
};

struct Largest {
  static __device__ __forceinline__ float identity() { return -INFINITY; }
  static __device__ __forceinline__ float combine(float a, float b) { return fmaxf(a, b); }
};

/// Logarithm of the sum of exponentials of a row; NaN where all are -infinity, or any is NaN or +infinity.
__device__ __forceinline__ float row_lse(const OnlineSoftmax& own, ReduceScratch<1>& scratch) {
  float max[1] = {own.max};
  block_reduce<Largest>(max, scratch, 0);
  float sum[1] = {own.sum * exponential(own.max, OnlineSoftmax::base(max[0]))};
  block_reduce<Sum>(sum, scratch, 1);
  return max[0] == -INFINITY ? NAN : max[0] + logf(sum[0]);
}

/// Asks for this thread's vector `slot` of a row, into its place in shared memory; a group of its own.
template <class Element>
__device__ __forceinline__ void request(const LogitsRow<Element>& row, bool wanted, int slot, int slots,
                                        std::uint32_t shared) {
  const int i = slot * int(blockDim.x) + int(threadIdx.x);
  if (wanted && slot < slots && i < row.vectors) ptx::cp_async_16(shared + std::uint32_t(i) * 16, row.vector + i);
  ptx::cp_async_commit();
}

/// What dlogits need: p (1 + 2 z lse) s = exp(x - lse) factor, less s at the label.
struct DlogitsRow {
  float lse, factor, scale;
  int label;

  template <int kCount>
  __device__ __forceinline__ void apply(float (&x)[kCount], int first) const {
#pragma unroll
    for (int e = 0; e < kCount; ++e) x[e] = exponential(x[e], lse) * factor;
    if (label < first || label >= first + kCount) return;
#pragma unroll
    for (int e = 0; e < kCount; ++e)
      if (first + e == label) x[e] -= scale;
  }
};

/// Maximum and sum over this thread's vectors and edge.  kRequestNext: each place is filled again at once.
template <class Element, bool kRequestNext>
__device__ __forceinline__ OnlineSoftmax reduce_row(const CrossEntropyParams& p, const LogitsRow<Element>& row,
                                                    const LogitsRow<Element>& next, bool next_wanted, const uint4* kept,
                                                    std::uint32_t shared, float edge) {
  OnlineSoftmax softmax;
  float x[Element::kPerVector];
  const int threads = int(blockDim.x), thread = int(threadIdx.x);
#pragma unroll 4
  for (int i = p.slots * threads + thread; i < row.vectors; i += threads) {
    Element::unpack(__ldcg(row.vector + i), x);
    softmax.take(x);
  }
#pragma unroll 2
  for (int slot = 0; slot < kCrossEntropySlots; ++slot) {
    // One group a step is committed, empty or not, so that the oldest of the last kCrossEntropySlots is this slot's.
    ptx::cp_async_wait<kCrossEntropySlots - 1>();
    const int i = slot * threads + thread;
    if (slot < p.slots && i < row.vectors) {
      Element::unpack(kept[i], x);
      softmax.take(x);
    }
    request(next, kRequestNext && next_wanted, slot, p.slots, shared);
  }
  if (row.edge() >= 0) {
    const float one[1] = {edge};
    softmax.take(one);
  }
  return softmax;
}

/// dlogits in the logits' place; each place in shared memory is filled with the next row's vector behind its use.
template <class Element>
__device__ __forceinline__ void store_gradient(const CrossEntropyParams& p, const LogitsRow<Element>& row,
                                               const LogitsRow<Element>& next, bool next_wanted, const uint4* kept,
                                               std::uint32_t shared, const DlogitsRow& gradient, float edge) {
  float x[Element::kPerVector];
  const int threads = int(blockDim.x), thread = int(threadIdx.x);
#pragma unroll 2
  for (int slot = 0; slot < kCrossEntropySlots; ++slot) {
    const int i = slot * threads + thread;
    if (slot < p.slots && i < row.vectors) {
      Element::unpack(kept[i], x);
      gradient.apply(x, row.head + i * Element::kPerVector);
      row.vector[i] = Element::pack(x);
    }
    request(next, next_wanted, slot, p.slots, shared);
  }
#pragma unroll 4
  for (int i = p.slots * threads + thread; i < row.vectors; i += threads) {
    Element::unpack(__ldcg(row.vector + i), x);
    gradient.apply(x, row.head + i * Element::kPerVector);
    row.vector[i] = Element::pack(x);
  }
  if (const int i = row.edge(); i >= 0) {
    float one[1] = {edge};
    gradient.apply(one, i);
    row.first[i] = Element::store(one[0]);
  }
}

/// A row whose label is ignored: nothing of it is read.
template <class Element>
__device__ __forceinline__ void clear_row(const LogitsRow<Element>& row) {
  for (int i = int(threadIdx.x); i < row.vectors; i += int(blockDim.x)) row.vector[i] = make_uint4(0, 0, 0, 0);
  if (row.edge() >= 0) row.first[row.edge()] = Element::store(0.F);
}

template <class Element, bool kGradient>
__global__ void __launch_bounds__(kCrossEntropyThreads, 1) cross_entropy(CrossEntropyParams p) {
  __shared__ ReduceScratch<1> scratch;
  const auto* kept = reinterpret_cast<const uint4*>(ptx::dynamic_smem_bytes);
  const std::uint32_t shared = ptx::shared_address(kept);
  const float scale = p.scale != nullptr ? *p.scale : 1.F;
  const auto label_of = [&](std::int64_t row) { return row < p.tokens ? p.labels[row] : p.ignore_index; };
  std::int64_t row = blockIdx.x;
  int label = label_of(row);
  for (int slot = 0; slot < kCrossEntropySlots; ++slot)
    request(LogitsRow<Element>(p, row), label != p.ignore_index, slot, p.slots, shared);
  for (; row < p.tokens; row += gridDim.x) {
    const LogitsRow<Element> logits(p, row), next(p, row + gridDim.x);
    const int next_label = label_of(row + gridDim.x);
    const bool next_wanted = next_label != p.ignore_index;
    if (label == p.ignore_index) {
      if constexpr (kGradient) clear_row(logits);
      if (threadIdx.x == 0) p.loss[row] = p.lse[row] = 0.F;
      for (int slot = 0; slot < kCrossEntropySlots; ++slot) request(next, next_wanted, slot, p.slots, shared);
    } else {
      const bool exists = label >= 0 && label < p.vocab;
      const float of_label = exists ? Element::load(logits.first[label]) : NAN;  // before dlogits take its place
      const float edge = logits.edge() >= 0 ? Element::load(logits.first[logits.edge()]) : 0.F;
      const auto own = reduce_row<Element, !kGradient>(p, logits, next, next_wanted, kept, shared, edge);
      float lse = row_lse(own, scratch);  // its barriers come behind everybody's reading of `of_label`
      if (!exists) lse = NAN;
      if (threadIdx.x == 0) {
        p.lse[row] = lse;
        p.loss[row] = lse - of_label + p.z_loss * lse * lse;
      }
      if constexpr (kGradient)
        store_gradient(p, logits, next, next_wanted, kept, shared,
                       DlogitsRow{lse, scale * (1.F + 2.F * p.z_loss * lse), scale, label}, edge);
    }
    label = next_label;
  }
  ptx::cp_async_wait<0>();  // of empty groups, by now
}

}  // namespace assay::layer_cuda
