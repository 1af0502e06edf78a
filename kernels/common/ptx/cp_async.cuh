// cp.async: copies from global to shared memory that run beside the thread (sm_80 and later).  C++17.
//
// Copies belong to the group that the thread's next commit closes; waits count groups of the waiting thread only, so
// data copied by others needs a __syncthreads() after the wait.
#pragma once
#include <cstdint>

namespace assay::ptx {

/// 16 bytes past L1 (.cg): the first `bytes` (0..16) from `source`, the rest zero.  Both addresses 16-byte aligned;
/// with `bytes` 0 nothing is read, so `source` may then lie outside its array.
__device__ __forceinline__ void cp_async_16(std::uint32_t shared, const void* source, std::uint32_t bytes = 16) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(shared), "l"(source), "r"(bytes) : "memory");
}

/// 4 bytes, through L1 (.ca is the only form this narrow): the first `bytes` (0..4) from `source`, the rest zero.
__device__ __forceinline__ void cp_async_4(std::uint32_t shared, const void* source, std::uint32_t bytes = 4) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;\n" ::"r"(shared), "l"(source), "r"(bytes) : "memory");
}

/// Closes the thread's current group (which may be empty).
__device__ __forceinline__ void cp_async_commit() { asm volatile("cp.async.commit_group;\n" ::: "memory"); }

/// Waits until at most `kPending` of the thread's newest groups are unfinished.
template <int kPending>
__device__ __forceinline__ void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;\n" ::"n"(kPending) : "memory");
}

}  // namespace assay::ptx
