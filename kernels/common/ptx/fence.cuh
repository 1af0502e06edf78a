// Fences between the ways of reaching memory (sm_90 and later).  C++17.
#pragma once

namespace assay::ptx {

/// After mbarrier_init(), by the thread that did it: makes the barriers known to the cluster and to bulk copies.
__device__ __forceinline__ void fence_mbarrier_init() {
  asm volatile("fence.mbarrier_init.release.cluster;\n" ::: "memory");
}

/// Orders this thread's ordinary accesses to shared memory before later ones by bulk copies and wgmma.  Every thread
/// that wrote needs it, before the barrier after which one thread starts the copy.
__device__ __forceinline__ void fence_proxy_async() { asm volatile("fence.proxy.async.shared::cta;\n" ::: "memory"); }

/// The same for global memory: orders what this thread has read or written there, and what it thereby knows others to
/// have done, before its later bulk copies.
__device__ __forceinline__ void fence_proxy_async_global() { asm volatile("fence.proxy.async.global;\n" ::: "memory"); }

}  // namespace assay::ptx
