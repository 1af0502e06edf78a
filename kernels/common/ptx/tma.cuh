// Bulk copies of tensor tiles by the tensor memory accelerator (sm_90 and later).  C++17.
//
// One thread starts a copy of the box that a tensor map describes.  Coordinates count elements, the contiguous
// dimension first.  Loads fill with zero what lies outside the tensor (and count it among the bytes that the mbarrier
// expects); stores leave it alone.  Stores belong to the group that the thread's next commit closes.
#pragma once
#include <cuda.h>

#include <cstdint>

namespace assay::ptx {

/// Fetches the descriptor itself, which the first copy would otherwise wait for.
__device__ __forceinline__ void tma_prefetch(const CUtensorMap& map) {
  asm volatile("prefetch.tensormap [%0];\n" ::"l"(&map) : "memory");
}

__device__ __forceinline__ void tma_load(std::uint32_t shared, const CUtensorMap& map, std::uint32_t barrier, int x,
                                         int y) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];\n" ::"r"(
          shared),
      "l"(&map), "r"(barrier), "r"(x), "r"(y)
      : "memory");
}
__device__ __forceinline__ void tma_load(std::uint32_t shared, const CUtensorMap& map, std::uint32_t barrier, int x,
                                         int y, int z) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%3, %4, %5}], [%2];\n" ::"r"(shared),
      "l"(&map), "r"(barrier), "r"(x), "r"(y), "r"(z)
      : "memory");
}
__device__ __forceinline__ void tma_load(std::uint32_t shared, const CUtensorMap& map, std::uint32_t barrier, int x,
                                         int y, int z, int w) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%3, %4, %5, %6}], [%2];\n" ::"r"(shared),
      "l"(&map), "r"(barrier), "r"(x), "r"(y), "r"(z), "r"(w)
      : "memory");
}

/// Delivers the box to the same address in every CTA whose bit is set in `ctas`, and signals each one's own barrier.
__device__ __forceinline__ void tma_load_multicast(std::uint32_t shared, const CUtensorMap& map, std::uint32_t barrier,
                                                   int x, int y, std::uint16_t ctas) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster "
      "[%0], [%1, {%3, %4}], [%2], %5;\n" ::"r"(shared),
      "l"(&map), "r"(barrier), "r"(x), "r"(y), "h"(ctas)
      : "memory");
}
__device__ __forceinline__ void tma_load_multicast(std::uint32_t shared, const CUtensorMap& map, std::uint32_t barrier,
                                                   int x, int y, int z, std::uint16_t ctas) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster "
      "[%0], [%1, {%3, %4, %5}], [%2], %6;\n" ::"r"(shared),
      "l"(&map), "r"(barrier), "r"(x), "r"(y), "r"(z), "h"(ctas)
      : "memory");
}

/// Into L2 only: a later access finds it there.
__device__ __forceinline__ void tma_prefetch_l2(const CUtensorMap& map, int x, int y) {
  asm volatile("cp.async.bulk.prefetch.tensor.2d.L2.global [%0, {%1, %2}];\n" ::"l"(&map), "r"(x), "r"(y) : "memory");
}

__device__ __forceinline__ void tma_store(const CUtensorMap& map, std::uint32_t shared, int x, int y) {
  asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%0, {%2, %3}], [%1];\n" ::"l"(&map), "r"(shared),
               "r"(x), "r"(y)
               : "memory");
}
__device__ __forceinline__ void tma_store(const CUtensorMap& map, std::uint32_t shared, int x, int y, int z) {
  asm volatile("cp.async.bulk.tensor.3d.global.shared::cta.bulk_group [%0, {%2, %3, %4}], [%1];\n" ::"l"(&map),
               "r"(shared), "r"(x), "r"(y), "r"(z)
               : "memory");
}

/// Adds the box to what is in global memory, element by element and atomically, in the L2 cache.
__device__ __forceinline__ void tma_reduce_add(const CUtensorMap& map, std::uint32_t shared, int x, int y) {
  asm volatile("cp.reduce.async.bulk.tensor.2d.global.shared::cta.add.bulk_group [%0, {%2, %3}], [%1];\n" ::"l"(&map),
               "r"(shared), "r"(x), "r"(y)
               : "memory");
}

// ---- one contiguous piece, without a tensor map ---------------------------------------------------------------------
// Addresses and `bytes` are multiples of 16.

__device__ __forceinline__ void bulk_load(std::uint32_t shared, const void* global, std::uint32_t bytes,
                                          std::uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];\n" ::"r"(shared),
      "l"(global), "r"(bytes), "r"(barrier)
      : "memory");
}

/// Adds floats to what is in global memory, each atomically, in the L2 cache.  Belongs to a group as stores do.
__device__ __forceinline__ void bulk_reduce_add_f32(float* global, std::uint32_t shared, std::uint32_t bytes) {
  asm volatile("cp.reduce.async.bulk.global.shared::cta.bulk_group.add.f32 [%0], [%1], %2;\n" ::"l"(global),
               "r"(shared), "r"(bytes)
               : "memory");
}

// ---- groups of stores ---------------------------------------------------------------------------------------------
/// Closes the thread's current group of stores.
__device__ __forceinline__ void tma_store_commit() { asm volatile("cp.async.bulk.commit_group;\n" ::: "memory"); }

/// Waits until at most `kPending` of the thread's newest groups have still to read their shared memory.
template <int kPending>
__device__ __forceinline__ void tma_store_wait_read() {
  asm volatile("cp.async.bulk.wait_group.read %0;\n" ::"n"(kPending) : "memory");
}

/// Waits until at most `kPending` of the thread's newest groups have still to write global memory.
template <int kPending>
__device__ __forceinline__ void tma_store_wait() {
  asm volatile("cp.async.bulk.wait_group %0;\n" ::"n"(kPending) : "memory");
}

}  // namespace assay::ptx
