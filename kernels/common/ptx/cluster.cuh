// Thread block clusters: CTAs that run together and reach each other's shared memory (sm_90 and later).  C++17.
#pragma once
#include <cstdint>

namespace assay::ptx {

/// This CTA's index in its cluster; 0 where the launch has no clusters.
__device__ __forceinline__ std::uint32_t cluster_rank() {
  std::uint32_t rank;
  asm volatile("mov.u32 %0, %%cluster_ctarank;\n" : "=r"(rank));
  return rank;
}

/// The address, in the cluster's window, of what lies at `shared` in CTA `rank`.
__device__ __forceinline__ std::uint32_t cluster_address(std::uint32_t shared, std::uint32_t rank) {
  std::uint32_t address;
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;\n" : "=r"(address) : "r"(shared), "r"(rank));
  return address;
}

/// The barrier of all threads of the cluster, in two halves.  A CTA must not exit while others may still signal its
/// barriers or copy into its shared memory: that is what the pair is for at a kernel's end.
__device__ __forceinline__ void cluster_arrive() {
  asm volatile("barrier.cluster.arrive.release.aligned;\n" ::: "memory");
}
__device__ __forceinline__ void cluster_wait() { asm volatile("barrier.cluster.wait.acquire.aligned;\n" ::: "memory"); }

}  // namespace assay::ptx
