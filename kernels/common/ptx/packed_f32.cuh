// Arithmetic on two fp32 at once (sm_100 and later): one instruction to issue in place of two.  C++17.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>

namespace assay::ptx {

__device__ __forceinline__ std::uint64_t pack_f32x2(float2 v) {
  std::uint64_t packed;
  asm("mov.b64 %0, {%1, %2};\n" : "=l"(packed) : "f"(v.x), "f"(v.y));
  return packed;
}
__device__ __forceinline__ float2 unpack_f32x2(std::uint64_t packed) {
  float2 v;
  asm("mov.b64 {%0, %1}, %2;\n" : "=f"(v.x), "=f"(v.y) : "l"(packed));
  return v;
}

/// a * b + c, rounded once.
__device__ __forceinline__ float2 fma_f32x2(float2 a, float2 b, float2 c) {
  std::uint64_t d;
  asm("fma.rn.f32x2 %0, %1, %2, %3;\n" : "=l"(d) : "l"(pack_f32x2(a)), "l"(pack_f32x2(b)), "l"(pack_f32x2(c)));
  return unpack_f32x2(d);
}
__device__ __forceinline__ float2 add_f32x2(float2 a, float2 b) {
  std::uint64_t d;
  asm("add.rn.f32x2 %0, %1, %2;\n" : "=l"(d) : "l"(pack_f32x2(a)), "l"(pack_f32x2(b)));
  return unpack_f32x2(d);
}
__device__ __forceinline__ float2 mul_f32x2(float2 a, float2 b) {
  std::uint64_t d;
  asm("mul.rn.f32x2 %0, %1, %2;\n" : "=l"(d) : "l"(pack_f32x2(a)), "l"(pack_f32x2(b)));
  return unpack_f32x2(d);
}

}  // namespace assay::ptx
