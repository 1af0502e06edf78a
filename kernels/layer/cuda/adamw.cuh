// The AdamW update for any GPU from sm_80 on.
//
// Algorithm   Element by element, every rounding as the contract has it (adamw.h): the same bits as on any other
//             device. A thread asks for its vectors of all four arrays before it uses the first; blocks come and go,
//             as in cuda/elementwise.cuh.
// Tile        256 threads x 2 vectors of 4 elements: 2048 elements.  A vector is 16 bytes of each fp32 array and 8 of
//             a bf16 one: with 8 elements a thread's halves of an fp32 vector would lie 32 bytes apart, and a warp
//             would touch each sector twice.
// In flight   2 x (3 x 16 + 8) = 112 bytes a thread, at least 1024 threads a multiprocessor: 112 KB, where Little's
//             law asks for 18 (H100), 25 (H200) and 38 KB (B200).
// Arithmetic  A correctly rounded root and division an element, some 60 instructions, for 28 bytes: 0.6 elements a
//             cycle of a multiprocessor on an H100, 1.0 on a B200: half of what it issues.
// Shapes      Any number of elements; unaligned arrays an element at a time (adamw_any).
// Hints       master, m and v streaming both ways (.cs): nobody reads m and v before the next step.  The gradient
//             past L1; param as usual, since the next forward pass reads it.
// Status      Proven in tests/simt; not yet run on a GPU.
// Source      Written for this project.
#pragma once
#include "kernels/layer/cuda/adamw.h"
#include "kernels/layer/cuda/elements.cuh"

namespace assay::layer_cuda {

/// One element.  The intrinsics keep the compiler from contracting products and sums that the contract rounds apart.
struct AdamWUpdate {
  AdamWStep step;
  float scale;

  __device__ __forceinline__ explicit AdamWUpdate(const AdamWParams& p)
      : step(*p.step), scale(p.gradient_scale != nullptr ? *p.gradient_scale : 1.F) {}

  __device__ __forceinline__ void apply(const AdamWParams& p, float gradient, float& m, float& v, float& master) const {
    const float g = __fmul_rn(scale, gradient);
    m = __fmaf_rn(p.beta1, m, __fmul_rn(p.rest1, g));
    v = __fmaf_rn(p.beta2, v, __fmul_rn(__fmul_rn(p.rest2, g), g));
    const float update = __fdiv_rn(__fmul_rn(step.rate, m), __fmaf_rn(__fsqrt_rn(v), step.root, p.epsilon));
    master = __fsub_rn(master, __fmaf_rn(step.decay, master, update));
  }
};

/// Four gradients.
template <class Gradient>
struct GradientVector;
template <>
struct GradientVector<F32> {
  uint4 bits;
  __device__ __forceinline__ void load(const void* array, std::int64_t i) {
    bits = ptx::load_once(static_cast<const uint4*>(array) + i);
  }
  __device__ __forceinline__ void unpack(float (&g)[4]) const { F32::unpack(bits, g); }
};
template <>
struct GradientVector<Bf16> {
  uint2 bits;
  __device__ __forceinline__ void load(const void* array, std::int64_t i) {
    bits = ptx::load_once(static_cast<const uint2*>(array) + i);
  }
  __device__ __forceinline__ void unpack(float (&g)[4]) const {
    g[0] = Bf16::low(bits.x), g[1] = Bf16::high(bits.x), g[2] = Bf16::low(bits.y), g[3] = Bf16::high(bits.y);
  }
};

template <class Gradient, bool kParam>
__device__ __forceinline__ void update_one(const AdamWParams& p, const AdamWUpdate& update, std::int64_t i) {
  const auto gradient = Gradient::load(static_cast<const typename Gradient::Storage*>(p.gradient)[i]);
  float m = p.m[i], v = p.v[i], master = p.master[i];
  update.apply(p, gradient, m, v, master);
  p.m[i] = m, p.v[i] = v, p.master[i] = master;
  if constexpr (kParam) static_cast<std::uint16_t*>(p.param)[i] = Bf16::store(master);
}

template <bool kParam>
__device__ __forceinline__ void store_vectors(const AdamWParams& p, std::int64_t i, const float4& m, const float4& v,
                                              const float4& master) {
  __stcs(reinterpret_cast<float4*>(p.m) + i, m);
  __stcs(reinterpret_cast<float4*>(p.v) + i, v);
  __stcs(reinterpret_cast<float4*>(p.master) + i, master);
  if constexpr (kParam)
    static_cast<uint2*>(p.param)[i] =
        make_uint2(ptx::pack_bf16x2(master.x, master.y), ptx::pack_bf16x2(master.z, master.w));
}

/// Gradient: its type.  kParam: a bf16 copy is written.
template <class Gradient, bool kParam>
__global__ void __launch_bounds__(kAdamWThreads, 4) adamw(AdamWParams p) {
  const std::int64_t vectors = p.elements / kAdamWVector;
  const std::int64_t first = std::int64_t(blockIdx.x) * (kAdamWThreads * kAdamWUnroll) + threadIdx.x;
  GradientVector<Gradient> gradient[kAdamWUnroll];
  float4 m[kAdamWUnroll], v[kAdamWUnroll], master[kAdamWUnroll];
#pragma unroll
  for (int u = 0; u < kAdamWUnroll; ++u) {
    const std::int64_t i = first + u * kAdamWThreads;
    if (i >= vectors) continue;
    gradient[u].load(p.gradient, i);
    m[u] = __ldcs(reinterpret_cast<const float4*>(p.m) + i);
    v[u] = __ldcs(reinterpret_cast<const float4*>(p.v) + i);
    master[u] = __ldcs(reinterpret_cast<const float4*>(p.master) + i);
  }
  const AdamWUpdate update(p);
#pragma unroll
  for (int u = 0; u < kAdamWUnroll; ++u) {
    const std::int64_t i = first + u * kAdamWThreads;
    if (i >= vectors) continue;
    float g[kAdamWVector];
    gradient[u].unpack(g);
    update.apply(p, g[0], m[u].x, v[u].x, master[u].x);
    update.apply(p, g[1], m[u].y, v[u].y, master[u].y);
    update.apply(p, g[2], m[u].z, v[u].z, master[u].z);
    update.apply(p, g[3], m[u].w, v[u].w, master[u].w);
    store_vectors<kParam>(p, i, m[u], v[u], master[u]);
  }
  const std::int64_t rest = vectors * kAdamWVector + threadIdx.x;
  if (blockIdx.x == 0 && rest < p.elements) update_one<Gradient, kParam>(p, update, rest);
}

template <class Gradient, bool kParam>
__global__ void __launch_bounds__(kAdamWThreads) adamw_any(AdamWParams p) {
  const std::int64_t i = std::int64_t(blockIdx.x) * kAdamWThreads + threadIdx.x;
  if (i < p.elements) update_one<Gradient, kParam>(p, AdamWUpdate(p), i);
}

}  // namespace assay::layer_cuda
