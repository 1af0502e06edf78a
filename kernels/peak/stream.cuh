// What a GPU's memory gives: copy, read and write, and the cost of a launch that does nothing.
//
// Algorithm   Grid-stride loops over 16-byte vectors, four in flight a thread and neighbouring threads on neighbouring
//             vectors: 128 KiB in flight on a multiprocessor, several times what latency times bandwidth asks for.
//             Loads and stores are marked as streaming (.cs): nothing is used twice.
// Resources   512 threads, four CTAs a multiprocessor; peak_read has a word of shared memory a warp.
// Sizes       Multiples of 4096 bytes.
// Source      Written for this project.
#pragma once
#include "kernels/peak/cuda_plans.h"

namespace assay {

/// Calls `use(first)` for groups of kUnroll vectors `stride` apart that lie inside, then `one(i)` for what is left.
template <class Group, class One>
__device__ __forceinline__ void for_vectors(std::int64_t vectors, const Group& group, const One& one) {
  const std::int64_t stride = std::int64_t(gridDim.x) * PeakStreamShape::kThreads;
  std::int64_t i = std::int64_t(blockIdx.x) * PeakStreamShape::kThreads + threadIdx.x;
  for (; i + (PeakStreamShape::kUnroll - 1) * stride < vectors; i += PeakStreamShape::kUnroll * stride)
    group(i, stride);
  for (; i < vectors; i += stride) one(i);
}

__global__ void __launch_bounds__(PeakStreamShape::kThreads) peak_copy(PeakStreamParams p) {
  const auto* from = static_cast<const uint4*>(p.input);
  auto* to = static_cast<uint4*>(p.output);
  for_vectors(
      p.vectors,
      [&](std::int64_t first, std::int64_t stride) {
        uint4 value[PeakStreamShape::kUnroll];
#pragma unroll
        for (int j = 0; j < PeakStreamShape::kUnroll; ++j) value[j] = __ldcs(from + first + j * stride);
#pragma unroll
        for (int j = 0; j < PeakStreamShape::kUnroll; ++j) __stcs(to + first + j * stride, value[j]);
      },
      [&](std::int64_t i) { __stcs(to + i, __ldcs(from + i)); });
}

__device__ __forceinline__ unsigned long long sum_of(const uint4& v) {
  return static_cast<unsigned long long>(v.x) + v.y + v.z + v.w;
}

/// A CTA's sum goes to its own partial; those that no CTA owns become zero.
__global__ void __launch_bounds__(PeakStreamShape::kThreads) peak_read(PeakStreamParams p) {
  constexpr int kWarps = PeakStreamShape::kThreads / 32;
  __shared__ unsigned long long of_warp[kWarps];
  const auto* from = static_cast<const uint4*>(p.input);
  unsigned long long sum = 0;
  for_vectors(
      p.vectors,
      [&](std::int64_t first, std::int64_t stride) {
        uint4 value[PeakStreamShape::kUnroll];
#pragma unroll
        for (int j = 0; j < PeakStreamShape::kUnroll; ++j) value[j] = __ldcs(from + first + j * stride);
#pragma unroll
        for (int j = 0; j < PeakStreamShape::kUnroll; ++j) sum += sum_of(value[j]);
      },
      [&](std::int64_t i) { sum += sum_of(__ldcs(from + i)); });
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, distance);
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = sum;
  __syncthreads();
  auto* partials = static_cast<unsigned long long*>(p.output);
  if (threadIdx.x == 0) {
    unsigned long long total = 0;
    for (int warp = 0; warp < kWarps; ++warp) total += of_warp[warp];
    partials[blockIdx.x] = total;
  }
  const unsigned step = gridDim.x * PeakStreamShape::kThreads;
  for (unsigned i = gridDim.x + blockIdx.x * PeakStreamShape::kThreads + threadIdx.x; i < kPeakPartials; i += step)
    partials[i] = 0;
}

__global__ void __launch_bounds__(PeakStreamShape::kThreads) peak_write(PeakStreamParams p) {
  auto* to = static_cast<uint4*>(p.output);
  const uint4 value = make_uint4(kPeakPattern, kPeakPattern, kPeakPattern, kPeakPattern);
  for_vectors(
      p.vectors,
      [&](std::int64_t first, std::int64_t stride) {
#pragma unroll
        for (int j = 0; j < PeakStreamShape::kUnroll; ++j) __stcs(to + first + j * stride, value);
      },
      [&](std::int64_t i) { __stcs(to + i, value); });
}

__global__ void peak_nothing(PeakStreamParams) {}

}  // namespace assay
