// Element types of the layer kernels on a GPU: 16-byte vectors of them to fp32 and back.  C++17.
#pragma once
#include <cstdint>

#include "kernels/common/ptx/convert.cuh"
#include "kernels/common/ptx/global_vectors.cuh"

namespace assay::layer_cuda {

/// bf16 is the upper half of an fp32: unpacking is a shift and a mask.
struct Bf16 {
  using Storage = std::uint16_t;
  static constexpr int kPerVector = 8;  // elements of 16 bytes

  static __device__ __forceinline__ float low(std::uint32_t pair) { return __uint_as_float(pair << 16); }
  static __device__ __forceinline__ float high(std::uint32_t pair) { return __uint_as_float(pair & 0xffff0000u); }
  static __device__ __forceinline__ void unpack(const uint4& v, float (&x)[kPerVector]) {
    x[0] = low(v.x), x[1] = high(v.x), x[2] = low(v.y), x[3] = high(v.y);
    x[4] = low(v.z), x[5] = high(v.z), x[6] = low(v.w), x[7] = high(v.w);
  }
  static __device__ __forceinline__ uint4 pack(const float (&x)[kPerVector]) {
    return make_uint4(ptx::pack_bf16x2(x[0], x[1]), ptx::pack_bf16x2(x[2], x[3]), ptx::pack_bf16x2(x[4], x[5]),
                      ptx::pack_bf16x2(x[6], x[7]));
  }
  static __device__ __forceinline__ float load(Storage bits) { return low(bits); }
  static __device__ __forceinline__ Storage store(float x) { return Storage(ptx::pack_bf16x2(x, 0.F)); }
};

struct F32 {
  using Storage = float;
  static constexpr int kPerVector = 4;

  static __device__ __forceinline__ void unpack(const uint4& v, float (&x)[kPerVector]) {
    x[0] = __uint_as_float(v.x), x[1] = __uint_as_float(v.y);
    x[2] = __uint_as_float(v.z), x[3] = __uint_as_float(v.w);
  }
  static __device__ __forceinline__ uint4 pack(const float (&x)[kPerVector]) {
    return make_uint4(__float_as_uint(x[0]), __float_as_uint(x[1]), __float_as_uint(x[2]), __float_as_uint(x[3]));
  }
  static __device__ __forceinline__ float load(Storage x) { return x; }
  static __device__ __forceinline__ Storage store(float x) { return x; }
};

}  // namespace assay::layer_cuda
