// The norm of all gradients and the factor that clips it, for any GPU from sm_80 on.
//
// Algorithm   The contract's order (grad_norm.h): a chunk's 64 lanes lie in 16 threads of fp32, 8 of bf16, as each
//             16-byte vector has them; each thread walks down the chunk, eight vectors asked for at a time.  The
//             lanes are halved by shuffles.  A second kernel, one block, adds the partials in fp64.  No atomics; the
//             same bits on every device, since nothing depends on the grid.
// Tile        256 threads have 16 chunks of fp32 (1 MB), 32 of bf16 (1 MB).
// In flight   128 bytes a thread, 1024 threads a multiprocessor and more: 128 KB once there are enough chunks: from
//             10^8 elements of bf16 on (6104 chunks are 370 threads, 47 KB a multiprocessor of an H100), where
//             Little's law asks for 18 (H100), 25 (H200) and 38 KB (B200).  Below 5 x 10^7 elements latency shows.
// Resources   Two small tables in the workspace: which tensor a chunk belongs to, and each tensor's first chunk.
// Shapes      Any; tensors that do not begin on 16 bytes an element at a time, at a fraction of the rate.
// Hints       Gradients past L1, kept in L2: AdamW reads them next.
// Status      Proven in tests/simt; not yet run on a GPU.
// Source      Written for this project.
#pragma once
#include "kernels/layer/cuda/elements.cuh"
#include "kernels/layer/cuda/grad_norm.h"

namespace assay::layer_cuda {

/// Threads of a chunk; thread t has lanes t kPerVector and the kPerVector - 1 after.
template <class Element>
struct GradNormTile {
  static constexpr int kThreads = kGradNormLanes / Element::kPerVector;
  static constexpr int kUnroll = 8;
};

template <class Element>
__device__ __forceinline__ void add_squares(const uint4& vector, float (&lane)[Element::kPerVector]) {
  float g[Element::kPerVector];
  Element::unpack(vector, g);
#pragma unroll
  for (int e = 0; e < Element::kPerVector; ++e) lane[e] = __fmaf_rn(g[e], g[e], lane[e]);
}

/// This thread's lanes of a chunk of `count` elements.
template <class Element>
__device__ __forceinline__ void sum_lanes(const typename Element::Storage* chunk, int count, int thread,
                                          float (&lane)[Element::kPerVector]) {
  using Tile = GradNormTile<Element>;
  const auto* vectors = reinterpret_cast<const uint4*>(chunk) + thread;
  const bool aligned = (reinterpret_cast<std::uint64_t>(chunk) & 15) == 0;
  const int rows = aligned ? count / kGradNormLanes : 0;
  int row = 0;
  for (; row + Tile::kUnroll <= rows; row += Tile::kUnroll) {
    uint4 vector[Tile::kUnroll];
#pragma unroll
    for (int u = 0; u < Tile::kUnroll; ++u) vector[u] = ptx::load_once(vectors + (row + u) * Tile::kThreads);
#pragma unroll
    for (int u = 0; u < Tile::kUnroll; ++u) add_squares<Element>(vector[u], lane);
  }
  for (; row < rows; ++row) add_squares<Element>(ptx::load_once(vectors + row * Tile::kThreads), lane);
  // What is left of a row of lanes; all rows of a tensor that does not begin on 16 bytes.
  for (int first = rows * kGradNormLanes + thread * Element::kPerVector; first < count; first += kGradNormLanes) {
#pragma unroll
    for (int e = 0; e < Element::kPerVector; ++e) {
      if (first + e >= count) continue;
      const float g = Element::load(chunk[first + e]);
      lane[e] = __fmaf_rn(g, g, lane[e]);
    }
  }
}

template <class Element>
__global__ void __launch_bounds__(kGradNormThreads, 4) grad_norm_partials(GradNormParams p) {
  using Tile = GradNormTile<Element>;
  const std::int64_t thread = std::int64_t(blockIdx.x) * kGradNormThreads + threadIdx.x;
  const std::int64_t chunk = thread / Tile::kThreads;
  const int of_chunk = int(threadIdx.x) % Tile::kThreads;
  float lane[Element::kPerVector] = {};
  if (chunk < p.chunks) {
    const int tensor = p.tensor_of[chunk];
    const std::int64_t first = (chunk - p.first_chunk[tensor]) * kGradNormChunk;
    const std::int64_t left = p.elements[tensor] - first;
    const auto* gradient = static_cast<const typename Element::Storage*>(p.gradients[tensor]);
    sum_lanes<Element>(gradient + first, int(left < kGradNormChunk ? left : kGradNormChunk), of_chunk, lane);
  }
  __syncwarp();  // chunks differ in length
#pragma unroll
  for (int half = Tile::kThreads / 2; half > 0; half /= 2)  // lanes 32, 16, ... apart lie in other threads
#pragma unroll
    for (int e = 0; e < Element::kPerVector; ++e)
      lane[e] += __shfl_down_sync(0xffffffffU, lane[e], unsigned(half), Tile::kThreads);
#pragma unroll
  for (int half = Element::kPerVector / 2; half > 0; half /= 2)  // the last in this one
#pragma unroll
    for (int e = 0; e < half; ++e) lane[e] += lane[e + half];
  if (chunk < p.chunks && of_chunk == 0) p.partials[chunk] = lane[0];
}

/// One block of kGradNormSums threads.
__global__ void __launch_bounds__(kGradNormSums) grad_norm_result(GradNormParams p) {
  __shared__ double lane[kGradNormSums];
  const int thread = int(threadIdx.x);
  double sum = 0;
#pragma unroll 8
  for (std::int64_t i = thread; i < p.chunks; i += kGradNormSums) sum += double(p.partials[i]);
  lane[thread] = sum;
  for (int half = kGradNormSums / 2; half > 0; half /= 2) {
    __syncthreads();
    if (thread < half) lane[thread] += lane[thread + half];
  }
  if (thread != 0) return;
  const double norm = sqrt(lane[0]);
  GradNorm result;
  result.sum_of_squares = lane[0];
  result.norm = float(norm);
  const double clip = double(p.max_norm) / (norm + kClipEpsilon);
  result.clip = norm < double(INFINITY) ? float(clip < 1 ? clip : 1) : NAN;
  *p.result = result;
}

}  // namespace assay::layer_cuda
