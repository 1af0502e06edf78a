// Rotary position embedding, forward and backward, for any GPU from sm_80 on.
//
// Algorithm   A thread has the angles of 16 bytes of a half head at one position and turns four heads by them: vector
//             j of the first half, and the same of the second.  The angles are read a quarter as often as the heads
//             are turned, and come from L1 and L2.  Blocks come and go, as in cuda/elementwise.cuh.
// Tile        256 threads x 4 heads x 2 vectors: 32 KB.  Heads that a thread lacks (8 heads are two groups of four, 1
//             head is a group with three idle places) are left out.
// In flight   128 bytes a thread, at least 768 threads a multiprocessor (80 registers): 96 KB, where Little's law
//             asks for 18 (H100), 25 (H200) and 38 KB (B200): cuda/norm_forward.cuh.
// Shapes      Vectors where half a head is a multiple of 16 bytes and the arrays are aligned; else rope_any, a pair a
//             thread.
// Hints       x past L1; cos and sin through it.
// Status      Proven in tests/simt; not yet run on a GPU.
// Source      Written for this project.
#pragma once
#include "kernels/layer/cuda/elements.cuh"
#include "kernels/layer/cuda/rope.h"

namespace assay::layer_cuda {

__device__ __forceinline__ std::int64_t rope_position(const RopeParams& p, std::uint32_t token) {
  return p.position_ids != nullptr ? std::uint32_t(p.position_ids[token])
                                   : token - p.positions.quotient(token) * p.positions.divisor;
}

template <int kCount>
__device__ __forceinline__ void load_angles(const float* table, float (&angles)[kCount]) {
#pragma unroll
  for (int q = 0; q < kCount / 4; ++q) {
    const float4 v = __ldg(reinterpret_cast<const float4*>(table) + q);
    angles[4 * q] = v.x, angles[4 * q + 1] = v.y, angles[4 * q + 2] = v.z, angles[4 * q + 3] = v.w;
  }
}

template <class Element>
__device__ __forceinline__ void turn(uint4& first, uint4& second, const float (&cos)[Element::kPerVector],
                                     const float (&sin)[Element::kPerVector]) {
  float a[Element::kPerVector], b[Element::kPerVector];
  Element::unpack(first, a);
  Element::unpack(second, b);
#pragma unroll
  for (int e = 0; e < Element::kPerVector; ++e) {
    const float turned = a[e] * cos[e] - b[e] * sin[e];
    b[e] = b[e] * cos[e] + a[e] * sin[e];
    a[e] = turned;
  }
  first = Element::pack(a), second = Element::pack(b);
}

template <class Element>
__global__ void __launch_bounds__(kRopeThreads, 3) rope(RopeParams p) {
  const std::int64_t item = std::int64_t(blockIdx.x) * kRopeThreads + threadIdx.x;
  if (item >= p.items) return;
  const std::uint32_t of_groups = p.pairs.quotient(std::uint32_t(item)), token = p.groups.quotient(of_groups);
  const int pairs = int(p.pairs.divisor), groups = int(p.groups.divisor);
  const int j = int(std::uint32_t(item) - of_groups * p.pairs.divisor),
            group = int(of_groups - token * p.groups.divisor);
  const std::int64_t row = std::int64_t(token) * p.heads;
  uint4 first[kRopeHeads], second[kRopeHeads];
#pragma unroll
  for (int h = 0; h < kRopeHeads; ++h) {
    const int head = group + h * groups;  // a warp's heads are neighbours
    if (head >= p.heads) continue;
    const uint4* from = static_cast<const uint4*>(p.x) + (row + head) * 2 * pairs + j;
    first[h] = ptx::load_once(from), second[h] = ptx::load_once(from + pairs);
  }
  float cos[Element::kPerVector], sin[Element::kPerVector];
  const std::int64_t angle = rope_position(p, token) * p.half + j * Element::kPerVector;
  load_angles(p.cos + angle, cos);
  load_angles(p.sin + angle, sin);
#pragma unroll
  for (int e = 0; e < Element::kPerVector; ++e) sin[e] *= p.sign;
#pragma unroll
  for (int h = 0; h < kRopeHeads; ++h) {
    const int head = group + h * groups;
    if (head >= p.heads) continue;
    turn<Element>(first[h], second[h], cos, sin);
    uint4* to = static_cast<uint4*>(p.y) + (row + head) * 2 * pairs + j;
    to[0] = first[h], to[pairs] = second[h];
  }
}

/// A pair of elements a thread; `groups` are single heads here.
template <class Element>
__global__ void __launch_bounds__(kRopeThreads) rope_any(RopeParams p) {
  const std::int64_t item = std::int64_t(blockIdx.x) * kRopeThreads + threadIdx.x;
  if (item >= p.items) return;
  const std::uint32_t of_heads = p.pairs.quotient(std::uint32_t(item)), token = p.groups.quotient(of_heads);
  const int i = int(std::uint32_t(item) - of_heads * p.pairs.divisor);
  const std::int64_t at = std::int64_t(of_heads) * 2 * p.half + i;
  const std::int64_t angle = rope_position(p, token) * p.half + i;
  const auto* x = static_cast<const typename Element::Storage*>(p.x);
  auto* y = static_cast<typename Element::Storage*>(p.y);
  const float a = Element::load(x[at]), b = Element::load(x[at + p.half]);
  const float cos = p.cos[angle], sin = p.sin[angle] * p.sign;
  y[at] = Element::store(a * cos - b * sin);
  y[at + p.half] = Element::store(b * cos + a * sin);
}

}  // namespace assay::layer_cuda
