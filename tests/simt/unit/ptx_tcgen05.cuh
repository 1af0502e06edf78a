// Instructions of tcgen05 for the tests of this folder, by name.
#pragma once
#include <cstdint>

__device__ __forceinline__ uint32_t shared_address(const void* p) { return uint32_t(__cvta_generic_to_shared(p)); }
__device__ __forceinline__ void mbarrier_init(uint32_t bar, uint32_t count) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;\nfence.mbarrier_init.release.cluster;\n" ::"r"(bar), "r"(count)
               : "memory");
}
__device__ __forceinline__ void mbarrier_arrive(uint32_t bar) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];\n" ::"r"(bar) : "memory");
}
__device__ __forceinline__ void mbarrier_wait(uint32_t bar, uint32_t parity) {
  asm volatile(
      "{\n.reg .pred done;\nWAIT: mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n@!done bra WAIT;\n}\n" ::
          "r"(bar),
      "r"(parity)
      : "memory");
}
__device__ __forceinline__ void fence_proxy_async() { asm volatile("fence.proxy.async.shared::cta;\n" ::: "memory"); }
__device__ __forceinline__ void cluster_sync() {
  asm volatile("barrier.cluster.arrive.release.aligned;\nbarrier.cluster.wait.acquire.aligned;\n" ::: "memory");
}

template <int kGroup>
__device__ __forceinline__ void tensor_alloc(uint32_t to, uint32_t columns) {
  if constexpr (kGroup == 1)
    asm volatile("tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [%0], %1;\n" ::"r"(to), "r"(columns)
                 : "memory");
  else
    asm volatile("tcgen05.alloc.cta_group::2.sync.aligned.shared::cta.b32 [%0], %1;\n" ::"r"(to), "r"(columns)
                 : "memory");
}
template <int kGroup>
__device__ __forceinline__ void tensor_dealloc(uint32_t address, uint32_t columns) {
  if constexpr (kGroup == 1)
    asm volatile("tcgen05.dealloc.cta_group::1.sync.aligned.b32 %0, %1;\n" ::"r"(address), "r"(columns) : "memory");
  else
    asm volatile("tcgen05.dealloc.cta_group::2.sync.aligned.b32 %0, %1;\n" ::"r"(address), "r"(columns) : "memory");
}
template <int kGroup>
__device__ __forceinline__ void tensor_relinquish() {
  if constexpr (kGroup == 1)
    asm volatile("tcgen05.relinquish_alloc_permit.cta_group::1.sync.aligned;\n" ::: "memory");
  else
    asm volatile("tcgen05.relinquish_alloc_permit.cta_group::2.sync.aligned;\n" ::: "memory");
}
__device__ __forceinline__ void tensor_fence_before() {
  asm volatile("tcgen05.fence::before_thread_sync;\n" ::: "memory");
}
__device__ __forceinline__ void tensor_fence_after() {
  asm volatile("tcgen05.fence::after_thread_sync;\n" ::: "memory");
}
__device__ __forceinline__ void tensor_wait_ld() { asm volatile("tcgen05.wait::ld.sync.aligned;\n" ::: "memory"); }
__device__ __forceinline__ void tensor_wait_st() { asm volatile("tcgen05.wait::st.sync.aligned;\n" ::: "memory"); }
__device__ __forceinline__ uint32_t tensor_ld_x1(uint32_t address) {
  uint32_t r;
  asm volatile("tcgen05.ld.sync.aligned.32x32b.x1.b32 {%0}, [%1];\n" : "=r"(r) : "r"(address) : "memory");
  return r;
}
__device__ __forceinline__ void tensor_st_x1(uint32_t address, uint32_t value) {
  asm volatile("tcgen05.st.sync.aligned.32x32b.x1.b32 [%0], {%1};\n" ::"r"(address), "r"(value) : "memory");
}
template <int kGroup>
__device__ __forceinline__ void tensor_commit(uint32_t bar) {
  if constexpr (kGroup == 1)
    asm volatile("tcgen05.commit.cta_group::1.mbarrier::arrive::one.shared::cluster.b64 [%0];\n" ::"r"(bar) : "memory");
  else
    asm volatile(
        "tcgen05.commit.cta_group::2.mbarrier::arrive::one.shared::cluster.multicast::cluster.b64 [%0], %1;\n" ::"r"(
            bar),
        "h"(uint16_t(3))
        : "memory");
}

/// tcgen05.mma of one kind; KIND is all that follows the cta_group.
#define TENSOR_MMA(NAME, GROUP, KIND)                                                                               \
  __device__ __forceinline__ void NAME(uint32_t d, uint64_t a, uint64_t b, uint32_t instruction, bool accumulate) { \
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %4, 0;\ntcgen05.mma.cta_group::" GROUP "." KIND                  \
                 " [%0], %1, %2, %3, p;\n}\n" ::"r"(d),                                                             \
                 "l"(a), "l"(b), "r"(instruction), "r"(uint32_t(accumulate))                                        \
                 : "memory");                                                                                       \
  }
TENSOR_MMA(mma_f16, "1", "kind::f16")
TENSOR_MMA(mma_tf32, "1", "kind::tf32")
TENSOR_MMA(mma_f8f6f4, "1", "kind::f8f6f4")
TENSOR_MMA(mma_f16_pair, "2", "kind::f16")
TENSOR_MMA(mma_f8f6f4_pair, "2", "kind::f8f6f4")
#undef TENSOR_MMA

/// The same with A in tensor memory.
__device__ __forceinline__ void mma_f16_tensor_a(uint32_t d, uint32_t a, uint64_t b, uint32_t instruction,
                                                 bool accumulate) {
  asm volatile(
      "{\n.reg .pred p;\nsetp.ne.b32 p, %4, 0;\n"
      "tcgen05.mma.cta_group::1.kind::f16 [%0], [%1], %2, %3, p;\n}\n" ::"r"(d),
      "r"(a), "l"(b), "r"(instruction), "r"(uint32_t(accumulate))
      : "memory");
}

#define TENSOR_MMA_SCALED(NAME, GROUP, KIND)                                                                      \
  __device__ __forceinline__ void NAME(uint32_t d, uint64_t a, uint64_t b, uint32_t instruction, bool accumulate, \
                                       uint32_t scale_a, uint32_t scale_b) {                                      \
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %4, 0;\ntcgen05.mma.cta_group::" GROUP "." KIND                \
                 " [%0], %1, %2, %3, [%5], [%6], p;\n}\n" ::"r"(d),                                               \
                 "l"(a), "l"(b), "r"(instruction), "r"(uint32_t(accumulate)), "r"(scale_a), "r"(scale_b)          \
                 : "memory");                                                                                     \
  }
TENSOR_MMA_SCALED(mma_mxf8f6f4, "1", "kind::mxf8f6f4.block_scale.scale_vec::1X")
TENSOR_MMA_SCALED(mma_mxf4, "1", "kind::mxf4.block_scale.scale_vec::2X")
TENSOR_MMA_SCALED(mma_mxf4nvf4_2x, "1", "kind::mxf4nvf4.block_scale.scale_vec::2X")
TENSOR_MMA_SCALED(mma_mxf4nvf4, "1", "kind::mxf4nvf4.block_scale.scale_vec::4X")
TENSOR_MMA_SCALED(mma_mxf4nvf4_pair, "2", "kind::mxf4nvf4.block_scale.scale_vec::4X")
#undef TENSOR_MMA_SCALED

template <int kGroup>
__device__ __forceinline__ void tensor_cp_32x128b(uint32_t address, uint64_t source) {
  if constexpr (kGroup == 1)
    asm volatile("tcgen05.cp.cta_group::1.32x128b.warpx4 [%0], %1;\n" ::"r"(address), "l"(source) : "memory");
  else
    asm volatile("tcgen05.cp.cta_group::2.32x128b.warpx4 [%0], %1;\n" ::"r"(address), "l"(source) : "memory");
}
__device__ __forceinline__ void tensor_cp_128x256b(uint32_t address, uint64_t source) {
  asm volatile("tcgen05.cp.cta_group::1.128x256b [%0], %1;\n" ::"r"(address), "l"(source) : "memory");
}
__device__ __forceinline__ void tensor_cp_128x128b(uint32_t address, uint64_t source) {
  asm volatile("tcgen05.cp.cta_group::1.128x128b [%0], %1;\n" ::"r"(address), "l"(source) : "memory");
}
