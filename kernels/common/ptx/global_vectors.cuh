// 16 bytes of global memory at once, with the hints that memory-bound kernels need.  C++17.
//
// Why not 32 bytes (sm_100 has them): what a multiprocessor has in flight is threads x vectors x bytes, and these
// kernels reach the needed sum with several 16-byte vectors a thread; a wider vector only saves instructions to issue.
#pragma once
#include <cstdint>

namespace assay::ptx {

/// Read once by this launch, perhaps again by the next one: past L1, kept in L2 as any other.
__device__ __forceinline__ uint4 load_once(const uint4* address) {
  uint4 v;
  asm volatile("ld.global.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];\n"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(address));
  return v;
}
__device__ __forceinline__ uint2 load_once(const uint2* address) {
  uint2 v;
  asm volatile("ld.global.L1::no_allocate.v2.u32 {%0, %1}, [%2];\n" : "=r"(v.x), "=r"(v.y) : "l"(address));
  return v;
}

}  // namespace assay::ptx
