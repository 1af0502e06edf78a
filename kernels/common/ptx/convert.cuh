// Conversions, powers and reciprocals that take one instruction.  C++17.
#pragma once
#include <cstdint>

namespace assay::ptx {

/// Two bf16, `low` in the lower half, each rounded to nearest even.
__device__ __forceinline__ std::uint32_t pack_bf16x2(float low, float high) {
  std::uint32_t packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;\n" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
}

/// Two fp16, `low` in the lower half, each rounded to nearest even.
__device__ __forceinline__ std::uint32_t pack_f16x2(float low, float high) {
  std::uint32_t packed;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;\n" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
}

/// Four e4m3, `x0` in the lowest byte, each rounded to nearest even; beyond 448: 448.
__device__ __forceinline__ std::uint32_t pack_e4m3x4(float x0, float x1, float x2, float x3) {
  std::uint32_t packed;
  asm("{\n.reg .b16 low, high;\n"
      "cvt.rn.satfinite.e4m3x2.f32 low, %2, %1;\n"
      "cvt.rn.satfinite.e4m3x2.f32 high, %4, %3;\n"
      "mov.b32 %0, {low, high};\n}\n"
      : "=r"(packed)
      : "f"(x0), "f"(x1), "f"(x2), "f"(x3));
  return packed;
}

/// The fp16 in the lower half of `bits`.
__device__ __forceinline__ float unpack_f16(std::uint32_t bits) {
  float value;
  asm("cvt.f32.f16 %0, %1;\n" : "=f"(value) : "h"(static_cast<unsigned short>(bits)));
  return value;
}

/// 2^x, to about 2 ulp; subnormal results become zero.
__device__ __forceinline__ float exp2_approximate(float x) {
  float power;
  asm("ex2.approx.ftz.f32 %0, %1;\n" : "=f"(power) : "f"(x));
  return power;
}

/// 1 / x, to about 1 ulp; subnormal results become zero, as does 1 / infinity.
__device__ __forceinline__ float reciprocal_approximate(float x) {
  float inverse;
  asm("rcp.approx.ftz.f32 %0, %1;\n" : "=f"(inverse) : "f"(x));
  return inverse;
}

}  // namespace assay::ptx
