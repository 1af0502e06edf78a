// tcgen05 (Blackwell): thin names for the instructions that gemm_sm100.cu uses.  kCtas is the cta_group: 1, or 2 for a
// pair of CTAs that multiply together.
#pragma once
#include "tests/simt/kernels/ptx.cuh"

namespace ptx {

// ---- tensor memory: 128 lanes by 512 columns of 32 bits; an address is lane << 16 | column ----------------------------
/// By one warp; the address of the first column goes to shared memory.
template <int kCtas> DEVICE void tcgen05_alloc(uint32_t to, uint32_t columns) {
  if constexpr (kCtas == 1)
    asm volatile("tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [%0], %1;\n" ::"r"(to), "r"(columns) : "memory");
  else
    asm volatile("tcgen05.alloc.cta_group::2.sync.aligned.shared::cta.b32 [%0], %1;\n" ::"r"(to), "r"(columns) : "memory");
}
template <int kCtas> DEVICE void tcgen05_relinquish_alloc_permit() {
  if constexpr (kCtas == 1) asm volatile("tcgen05.relinquish_alloc_permit.cta_group::1.sync.aligned;\n");
  else asm volatile("tcgen05.relinquish_alloc_permit.cta_group::2.sync.aligned;\n");
}
template <int kCtas> DEVICE void tcgen05_dealloc(uint32_t address, uint32_t columns) {
  if constexpr (kCtas == 1)
    asm volatile("tcgen05.dealloc.cta_group::1.sync.aligned.b32 %0, %1;\n" ::"r"(address), "r"(columns));
  else
    asm volatile("tcgen05.dealloc.cta_group::2.sync.aligned.b32 %0, %1;\n" ::"r"(address), "r"(columns));
}

/// Lane l of the warp gets columns 0..31 of its lane of tensor memory.
DEVICE void tcgen05_ld_x32(uint32_t (&r)[32], uint32_t address) {
  asm volatile(
      "tcgen05.ld.sync.aligned.32x32b.x32.b32 "
      "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, "
      "%25, %26, %27, %28, %29, %30, %31}, [%32];\n"
      : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]), "=r"(r[4]), "=r"(r[5]), "=r"(r[6]), "=r"(r[7]), "=r"(r[8]),
        "=r"(r[9]), "=r"(r[10]), "=r"(r[11]), "=r"(r[12]), "=r"(r[13]), "=r"(r[14]), "=r"(r[15]), "=r"(r[16]),
        "=r"(r[17]), "=r"(r[18]), "=r"(r[19]), "=r"(r[20]), "=r"(r[21]), "=r"(r[22]), "=r"(r[23]), "=r"(r[24]),
        "=r"(r[25]), "=r"(r[26]), "=r"(r[27]), "=r"(r[28]), "=r"(r[29]), "=r"(r[30]), "=r"(r[31])
      : "r"(address));
}
DEVICE void tcgen05_wait_ld() { asm volatile("tcgen05.wait::ld.sync.aligned;\n" ::: "memory"); }

// ---- order between threads ---------------------------------------------------------------------------------------------
DEVICE void tcgen05_fence_before() { asm volatile("tcgen05.fence::before_thread_sync;\n" ::: "memory"); }
DEVICE void tcgen05_fence_after() { asm volatile("tcgen05.fence::after_thread_sync;\n" ::: "memory"); }

// ---- products ------------------------------------------------------------------------------------------------------------
/// D (+)= A B.  By one thread; of a pair's, the even CTA's.
template <int kCtas>
DEVICE void tcgen05_mma_f16(uint32_t d, uint64_t a, uint64_t b, uint32_t instruction, bool accumulate) {
  if constexpr (kCtas == 1)
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %4, 0;\n"
                 "tcgen05.mma.cta_group::1.kind::f16 [%0], %1, %2, %3, p;\n}\n"
                 ::"r"(d), "l"(a), "l"(b), "r"(instruction), "r"(uint32_t(accumulate)) : "memory");
  else
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %4, 0;\n"
                 "tcgen05.mma.cta_group::2.kind::f16 [%0], %1, %2, %3, p;\n}\n"
                 ::"r"(d), "l"(a), "l"(b), "r"(instruction), "r"(uint32_t(accumulate)) : "memory");
}
/// Arrives once on `bar`, of both CTAs of a pair, when everything this thread has started is done.
template <int kCtas> DEVICE void tcgen05_commit(uint32_t bar) {
  if constexpr (kCtas == 1)
    asm volatile("tcgen05.commit.cta_group::1.mbarrier::arrive::one.shared::cluster.b64 [%0];\n" ::"r"(bar) : "memory");
  else
    asm volatile("tcgen05.commit.cta_group::2.mbarrier::arrive::one.shared::cluster.multicast::cluster.b64 [%0], %1;\n"
                 ::"r"(bar), "h"(uint16_t(3)) : "memory");
}

// ---- loads for a pair --------------------------------------------------------------------------------------------------
/// The barrier at the same place in the even CTA of the pair: bit 24 of a shared address is the last of its CTA's rank.
DEVICE uint32_t leaders(uint32_t bar) { return bar & 0xfeffffff; }
/// Into this CTA; `bar` may be the leader's.
template <int kCtas> DEVICE void tma_load_for(uint32_t dst, const TensorMap& map, uint32_t bar, int x, int y) {
  if constexpr (kCtas == 1)
    tma_load(dst, map, bar, x, y);
  else
    asm volatile("cp.async.bulk.tensor.2d.cta_group::2.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];\n"
                 ::"r"(dst), "l"(&map), "r"(leaders(bar)), "r"(x), "r"(y) : "memory");
}
template <int kCtas> DEVICE void mbarrier_arrive_expect_tx_for(uint32_t bar, uint32_t bytes) {
  if constexpr (kCtas == 1)
    mbarrier_arrive_expect_tx(bar, bytes);
  else
    asm volatile("mbarrier.arrive.expect_tx.release.cluster.shared::cluster.b64 _, [%0], %1;\n" ::"r"(leaders(bar)), "r"(bytes) : "memory");
}
template <int kCtas> DEVICE void mbarrier_arrive_for(uint32_t bar) {
  if constexpr (kCtas == 1)
    mbarrier_arrive(bar);
  else
    asm volatile("mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%0];\n" ::"r"(leaders(bar)) : "memory");
}

DEVICE void st_shared_16(uint32_t to, uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  asm volatile("st.shared.v4.b32 [%0], {%1, %2, %3, %4};\n" ::"r"(to), "r"(a), "r"(b), "r"(c), "r"(d) : "memory");
}

}  // namespace ptx

/// Shared-memory descriptor of sm_100: K-major, rows of 128 bytes, 128-byte swizzle, groups of 8 rows 1024 bytes apart.
DEVICE constexpr uint64_t tcgen05_desc_k(uint32_t smem) {
  return uint64_t((smem & 0x3ffff) >> 4) | uint64_t(1) << 16 | uint64_t(1024 >> 4) << 32 | uint64_t(1) << 46 | uint64_t(2) << 61;
}
/// Instruction descriptor: bf16 operands, both K-major, fp32 accumulators.
DEVICE constexpr uint32_t tcgen05_instruction_bf16(int m, int n) {
  return 1u << 4 | 1u << 7 | 1u << 10 | uint32_t(n / 8) << 17 | uint32_t(m / 16) << 24;
}
