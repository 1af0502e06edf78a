// What warps and warpgroups (four consecutive warps) do together (sm_90a).  C++17.
#pragma once
#include <cstdint>

namespace assay::ptx {

/// True in one lane of the warp, always the same one; all 32 lanes must take part.
__device__ __forceinline__ bool elect_one() {
  std::uint32_t elected;
  asm volatile(
      "{\n.reg .pred p;\n"
      "elect.sync _|p, 0xffffffff;\n"
      "selp.b32 %0, 1, 0, p;\n}\n"
      : "=r"(elected));
  return elected;
}

/// `value`, which is the same in all 32 lanes anyway, in a way that tells the compiler so: what is computed from it
/// then costs uniform instructions.  For the descriptors of wgmma, which are read from uniform registers.
__device__ __forceinline__ std::uint32_t warp_uniform(std::uint32_t value) { return __shfl_sync(0xffffffff, value, 0); }

/// Named barrier `id` (1..15; 0 is __syncthreads) for `threads` threads, a multiple of 32.
__device__ __forceinline__ void barrier_sync(std::uint32_t id, std::uint32_t threads) {
  asm volatile("barrier.cta.sync.aligned %0, %1;\n" ::"r"(id), "r"(threads) : "memory");
}
/// Counts for the barrier without waiting.
__device__ __forceinline__ void barrier_arrive(std::uint32_t id, std::uint32_t threads) {
  asm volatile("barrier.cta.arrive.aligned %0, %1;\n" ::"r"(id), "r"(threads) : "memory");
}

/// The warpgroup's registers per thread, a multiple of 8 in 24..256.  All four warps must execute it; inc blocks until
/// the CTA's pool (registers per thread at launch times threads) holds enough, so the sum over warpgroups must fit.
template <int kRegisters>
__device__ __forceinline__ void setmaxnreg_inc() {
  static_assert(kRegisters % 8 == 0 && kRegisters >= 24 && kRegisters <= 256);
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;\n" ::"n"(kRegisters));
}
template <int kRegisters>
__device__ __forceinline__ void setmaxnreg_dec() {
  static_assert(kRegisters % 8 == 0 && kRegisters >= 24 && kRegisters <= 256);
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;\n" ::"n"(kRegisters));
}

}  // namespace assay::ptx
