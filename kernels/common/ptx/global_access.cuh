// Accesses to global memory that other CTAs of the same launch write or read: past L1, which is not coherent.  C++17.
#pragma once
#include <cstdint>

namespace assay::ptx {

/// Like the intrinsics __ldcg and __stcg, but the compiler moves no other access across them.
__device__ __forceinline__ float4 load_global_l2(const float4* address) {
  float4 v;
  asm volatile("ld.global.cg.v4.f32 {%0, %1, %2, %3}, [%4];\n"
               : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w)
               : "l"(address)
               : "memory");
  return v;
}
__device__ __forceinline__ float2 load_global_l2(const float2* address) {
  float2 v;
  asm volatile("ld.global.cg.v2.f32 {%0, %1}, [%2];\n" : "=f"(v.x), "=f"(v.y) : "l"(address) : "memory");
  return v;
}

__device__ __forceinline__ void store_global_l2(float4* address, const float4& v) {
  asm volatile("st.global.cg.v4.f32 [%0], {%1, %2, %3, %4};\n" ::"l"(address), "f"(v.x), "f"(v.y), "f"(v.z), "f"(v.w)
               : "memory");
}

/// Adds to `*sum`, whoever else does at the same time; in which order is anyone's guess.
__device__ __forceinline__ void add_global(float* sum, float amount) {
  asm volatile("red.global.add.f32 [%0], %1;\n" ::"l"(sum), "f"(amount) : "memory");
}

/// Adds to `*count` and returns what it was.  At gpu scope it releases what this thread (and, by a barrier before, its
/// CTA) did, and acquires what the earlier ones released.
__device__ __forceinline__ std::uint32_t atomic_add_acq_rel(std::uint32_t* count, std::uint32_t amount) {
  std::uint32_t before;
  asm volatile("atom.acq_rel.gpu.global.add.u32 %0, [%1], %2;\n" : "=r"(before) : "l"(count), "r"(amount) : "memory");
  return before;
}

/// Acquires, at gpu scope, what those did who released the value that is read.
__device__ __forceinline__ std::uint32_t load_acquire(const std::uint32_t* address) {
  std::uint32_t value;
  asm volatile("ld.acquire.gpu.global.u32 %0, [%1];\n" : "=r"(value) : "l"(address) : "memory");
  return value;
}

/// Adds to `*count` and releases, at gpu scope, what this thread did.
__device__ __forceinline__ void add_release(std::uint32_t* count, std::uint32_t amount) {
  asm volatile("red.release.gpu.global.add.u32 [%0], %1;\n" ::"l"(count), "r"(amount) : "memory");
}

}  // namespace assay::ptx
