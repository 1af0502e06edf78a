// mbarrier: a barrier in shared memory that counts arrivals and the bytes of bulk copies (sm_90 and later).  C++17.
//
// A phase ends when `count` arrivals have come and every expected byte has landed; the barrier then starts the next
// phase by itself.  mbarrier_wait(parity) returns once the phase of that parity is over; on a fresh barrier, whose
// phase 0 is open, parity 1 passes at once.
#pragma once
#include <cstdint>

namespace assay::ptx {

/// By one thread, before anybody uses it; then fence_mbarrier_init() and a barrier of the CTA or the cluster.
__device__ __forceinline__ void mbarrier_init(std::uint32_t barrier, std::uint32_t count) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;\n" ::"r"(barrier), "r"(count) : "memory");
}

/// One arrival (release at CTA scope).
__device__ __forceinline__ void mbarrier_arrive(std::uint32_t barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];\n" ::"r"(barrier) : "memory");
}

/// One arrival; the phase also waits for `bytes` that bulk copies will deliver.
__device__ __forceinline__ void mbarrier_arrive_expect_tx(std::uint32_t barrier, std::uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;\n" ::"r"(barrier), "r"(bytes) : "memory");
}

/// One arrival at the barrier that lies at the same address in CTA `rank` of the cluster.  Release at CTA scope: it says
/// that shared or tensor memory has been read and may be overwritten, and nothing that this thread wrote travels with
/// it.  At cluster scope ptxas puts a MEMBAR.ALL.GPU before each arrival.
__device__ __forceinline__ void mbarrier_arrive_remote(std::uint32_t barrier, std::uint32_t rank) {
  asm volatile(
      "{\n.reg .b32 remote;\n"
      "mapa.shared::cluster.u32 remote, %0, %1;\n"
      "mbarrier.arrive.release.cta.shared::cluster.b64 _, [remote];\n}\n" ::"r"(barrier),
      "r"(rank)
      : "memory");
}

/// Waits until the phase of `parity` is over.  The label is local to the braces, so that the code may repeat.
__device__ __forceinline__ void mbarrier_wait(std::uint32_t barrier, std::uint32_t parity) {
  asm volatile(
      "{\n.reg .pred done;\n"
      "WAIT: mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@!done bra WAIT;\n}\n" ::"r"(barrier),
      "r"(parity)
      : "memory");
}

}  // namespace assay::ptx
