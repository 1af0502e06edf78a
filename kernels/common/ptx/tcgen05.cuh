// tcgen05: matrix multiplication by the tensor cores of sm_100a and sm_103a, whose accumulators lie in tensor memory.
// C++17.
//
// Tensor memory of a CTA: 128 lanes by 512 columns of 32 bits; an address is lane << 16 | column.  One thread issues
// tcgen05.mma for a whole CTA, or for a pair of CTAs (kCtas = 2: two neighbouring ranks of a cluster, of which the even
// one issues).  All instructions of a kernel must name the same kCtas.
//
// Everything here but alloc, dealloc, fences and waits runs asynchronously.  A thread's copies and multiplications into
// one accumulator run in order; all else needs commit (to an mbarrier) or wait, and between threads a fence before and
// one after whatever synchronises them.
#pragma once
#include <cuda.h>

#include <cstdint>

namespace assay::ptx {

// The instruction `head` + ".cta_group::N" + `tail`.
#define ASSAY_CTA_GROUP(head, tail, ...)                 \
  if constexpr (kCtas == 2)                              \
    asm volatile(head ".cta_group::2" tail __VA_ARGS__); \
  else                                                   \
    asm volatile(head ".cta_group::1" tail __VA_ARGS__)

// ---- tensor memory ------------------------------------------------------------------------------------------------
/// By one whole warp (of each CTA): columns, a power of two from 32 to 512; their address is written to shared memory
/// at `result`.  Waits while others hold them.
template <int kCtas>
__device__ __forceinline__ void tcgen05_alloc(std::uint32_t result, std::uint32_t columns) {
  ASSAY_CTA_GROUP("tcgen05.alloc", ".sync.aligned.shared::cta.b32 [%0], %1;\n", ::"r"(result), "r"(columns) : "memory");
}

/// By the warp that allocated, before the CTA ends.
template <int kCtas>
__device__ __forceinline__ void tcgen05_dealloc(std::uint32_t address, std::uint32_t columns) {
  ASSAY_CTA_GROUP("tcgen05.dealloc", ".sync.aligned.b32 %0, %1;\n", ::"r"(address), "r"(columns) : "memory");
}

/// This CTA will allocate no more.
template <int kCtas>
__device__ __forceinline__ void tcgen05_relinquish_alloc_permit() {
  ASSAY_CTA_GROUP("tcgen05.relinquish_alloc_permit", ".sync.aligned;\n", ::: "memory");
}

/// 32 columns from `address`; lane l of the warp receives lane l of those its warp reaches (32 * (warp % 4) and up,
/// which the address must name).  Not to be used before tcgen05_wait_ld.
__device__ __forceinline__ void tcgen05_ld_32x32b_x32(std::uint32_t (&column)[32], std::uint32_t address) {
  asm volatile(
      "tcgen05.ld.sync.aligned.32x32b.x32.b32 "
      "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, [%32];\n"
      : "=r"(column[0]), "=r"(column[1]), "=r"(column[2]), "=r"(column[3]), "=r"(column[4]), "=r"(column[5]),
        "=r"(column[6]), "=r"(column[7]), "=r"(column[8]), "=r"(column[9]), "=r"(column[10]), "=r"(column[11]),
        "=r"(column[12]), "=r"(column[13]), "=r"(column[14]), "=r"(column[15]), "=r"(column[16]), "=r"(column[17]),
        "=r"(column[18]), "=r"(column[19]), "=r"(column[20]), "=r"(column[21]), "=r"(column[22]), "=r"(column[23]),
        "=r"(column[24]), "=r"(column[25]), "=r"(column[26]), "=r"(column[27]), "=r"(column[28]), "=r"(column[29]),
        "=r"(column[30]), "=r"(column[31])
      : "r"(address)
      : "memory");
}

/// Until the thread's loads have arrived.  `columns` are the registers loaded: named here so that the compiler moves no
/// use of them before the wait.
template <int kCount>
__device__ __forceinline__ void tcgen05_wait_ld(std::uint32_t (&columns)[kCount][32]) {
  asm volatile("tcgen05.wait::ld.sync.aligned;\n" ::: "memory");
#pragma unroll
  for (int i = 0; i < kCount; ++i)
#pragma unroll
    for (int j = 0; j < 32; ++j) asm volatile("" : "+r"(columns[i][j]));
}

/// The other way: lane l of the warp writes 16 columns of lane l of those its warp reaches.  Not in tensor memory
/// before tcgen05_wait_st.
__device__ __forceinline__ void tcgen05_st_32x32b_x16(std::uint32_t address, const std::uint32_t* column) {
  asm volatile(
      "tcgen05.st.sync.aligned.32x32b.x16.b32 [%16], "
      "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15};\n" ::"r"(column[0]),
      "r"(column[1]), "r"(column[2]), "r"(column[3]), "r"(column[4]), "r"(column[5]), "r"(column[6]), "r"(column[7]),
      "r"(column[8]), "r"(column[9]), "r"(column[10]), "r"(column[11]), "r"(column[12]), "r"(column[13]),
      "r"(column[14]), "r"(column[15]), "r"(address)
      : "memory");
}
/// The same of 8 columns.
__device__ __forceinline__ void tcgen05_st_32x32b_x8(std::uint32_t address, const std::uint32_t* column) {
  asm volatile("tcgen05.st.sync.aligned.32x32b.x8.b32 [%8], {%0, %1, %2, %3, %4, %5, %6, %7};\n" ::"r"(column[0]),
               "r"(column[1]), "r"(column[2]), "r"(column[3]), "r"(column[4]), "r"(column[5]), "r"(column[6]),
               "r"(column[7]), "r"(address)
               : "memory");
}
__device__ __forceinline__ void tcgen05_wait_st() { asm volatile("tcgen05.wait::st.sync.aligned;\n" ::: "memory"); }

/// 32 lanes of 16 bytes from shared memory to four columns, the same in each of the four groups of 32 lanes.  In a
/// pair, each CTA copies from its own shared memory to its own tensor memory, at the same addresses.
template <int kCtas>
__device__ __forceinline__ void tcgen05_cp_32x128b_warpx4(std::uint32_t address, std::uint64_t shared) {
  ASSAY_CTA_GROUP("tcgen05.cp", ".32x128b.warpx4 [%0], %1;\n", ::"r"(address), "l"(shared) : "memory");
}

// ---- multiplication -----------------------------------------------------------------------------------------------
/// d (+)= a * b; `accumulate` false: d's old values are not read.  See kernels/common/tcgen05_descriptors.h.
template <int kCtas>
__device__ __forceinline__ void tcgen05_mma_f16(std::uint32_t d, std::uint64_t a, std::uint64_t b,
                                                std::uint32_t instruction, bool accumulate) {
  ASSAY_CTA_GROUP("{\n.reg .pred p;\nsetp.ne.b32 p, %4, 0;\ntcgen05.mma", ".kind::f16 [%0], %1, %2, %3, p;\n}\n",
                  ::"r"(d), "l"(a), "l"(b), "r"(instruction), "r"(std::uint32_t(accumulate))
                  : "memory");
}

/// As above, a in tensor memory: row r in lane r, two elements along k to a column, the first in its lower half.  One
/// CTA.
__device__ __forceinline__ void tcgen05_mma_f16_from_tensor_memory(std::uint32_t d, std::uint32_t a, std::uint64_t b,
                                                                   std::uint32_t instruction, bool accumulate) {
  asm volatile(
      "{\n.reg .pred p;\nsetp.ne.b32 p, %4, 0;\ntcgen05.mma.cta_group::1.kind::f16 [%0], [%1], %2, %3, p;\n}\n" ::"r"(
          d),
      "r"(a), "l"(b), "r"(instruction), "r"(std::uint32_t(accumulate))
      : "memory");
}

template <int kCtas>
__device__ __forceinline__ void tcgen05_mma_f8f6f4(std::uint32_t d, std::uint64_t a, std::uint64_t b,
                                                   std::uint32_t instruction, bool accumulate) {
  ASSAY_CTA_GROUP("{\n.reg .pred p;\nsetp.ne.b32 p, %4, 0;\ntcgen05.mma", ".kind::f8f6f4 [%0], %1, %2, %3, p;\n}\n",
                  ::"r"(d), "l"(a), "l"(b), "r"(instruction), "r"(std::uint32_t(accumulate))
                  : "memory");
}

/// As above, a in tensor memory: row r in lane r, four elements along k to a column, the first in its lowest byte.  One
/// CTA.
__device__ __forceinline__ void tcgen05_mma_f8f6f4_from_tensor_memory(std::uint32_t d, std::uint32_t a, std::uint64_t b,
                                                                      std::uint32_t instruction, bool accumulate) {
  asm volatile(
      "{\n.reg .pred p;\nsetp.ne.b32 p, %4, 0;\ntcgen05.mma.cta_group::1.kind::f8f6f4 [%0], [%1], %2, %3, p;\n}\n" ::
          "r"(d),
      "r"(a), "l"(b), "r"(instruction), "r"(std::uint32_t(accumulate))
      : "memory");
}

/// Elements scaled by one e8m0 per 32 along k: a byte (chosen by the instruction descriptor) of the column of
/// `a_scales` (4 columns, row r in lane r % 32 of column r / 32) and `b_scales` (n / 32 columns, the same).
template <int kCtas>
__device__ __forceinline__ void tcgen05_mma_mxf8f6f4(std::uint32_t d, std::uint64_t a, std::uint64_t b,
                                                     std::uint32_t instruction, std::uint32_t a_scales,
                                                     std::uint32_t b_scales, bool accumulate) {
  ASSAY_CTA_GROUP("{\n.reg .pred p;\nsetp.ne.b32 p, %6, 0;\ntcgen05.mma",
                  ".kind::mxf8f6f4.block_scale.scale_vec::1X [%0], %1, %2, %3, [%4], [%5], p;\n}\n", ::"r"(d), "l"(a),
                  "l"(b), "r"(instruction), "r"(a_scales), "r"(b_scales), "r"(std::uint32_t(accumulate))
                  : "memory");
}

/// As above, elements of e2m1 scaled by one e4m3 per 16 along k: all four bytes of the columns.
template <int kCtas>
__device__ __forceinline__ void tcgen05_mma_mxf4nvf4(std::uint32_t d, std::uint64_t a, std::uint64_t b,
                                                     std::uint32_t instruction, std::uint32_t a_scales,
                                                     std::uint32_t b_scales, bool accumulate) {
  ASSAY_CTA_GROUP("{\n.reg .pred p;\nsetp.ne.b32 p, %6, 0;\ntcgen05.mma",
                  ".kind::mxf4nvf4.block_scale.scale_vec::4X [%0], %1, %2, %3, [%4], [%5], p;\n}\n", ::"r"(d), "l"(a),
                  "l"(b), "r"(instruction), "r"(a_scales), "r"(b_scales), "r"(std::uint32_t(accumulate))
                  : "memory");
}

/// `value`, but the compiler does not know: what is computed from it is computed anew, not kept in registers from
/// before a loop.  For the many addresses of one thread's products, in a warp that has few registers.
__device__ __forceinline__ std::uint32_t recomputed(std::uint32_t value) {
  asm volatile("" : "+r"(value));
  return value;
}

// ---- order --------------------------------------------------------------------------------------------------------
/// Arrives once on `barrier` when all the thread's tcgen05 work so far is done; acts as a fence before the
/// synchronisation.  In a pair: on the barrier at this place in both CTAs.
template <int kCtas>
__device__ __forceinline__ void tcgen05_commit(std::uint32_t barrier) {
  if constexpr (kCtas == 2)
    asm volatile(
        "tcgen05.commit.cta_group::2.mbarrier::arrive::one.shared::cluster.multicast::cluster.b64 [%0], %1;\n" ::"r"(
            barrier),
        "h"(std::uint16_t(0b11))
        : "memory");
  else
    asm volatile("tcgen05.commit.cta_group::1.mbarrier::arrive::one.shared::cluster.b64 [%0];\n" ::"r"(barrier)
                 : "memory");
}

/// Before and after whatever orders tcgen05 work of two threads.
__device__ __forceinline__ void tcgen05_fence_before_thread_sync() {
  asm volatile("tcgen05.fence::before_thread_sync;\n" ::: "memory");
}
__device__ __forceinline__ void tcgen05_fence_after_thread_sync() {
  asm volatile("tcgen05.fence::after_thread_sync;\n" ::: "memory");
}

// ---- TMA for a pair of CTAs ---------------------------------------------------------------------------------------
/// As tma_load, but `barrier` (an address in the cluster's window) may lie in either CTA of the pair.
__device__ __forceinline__ void tma_load_pair(std::uint32_t shared, const CUtensorMap& map, std::uint32_t barrier,
                                              int x, int y) {
  asm volatile(
      "cp.async.bulk.tensor.2d.cta_group::2.shared::cluster.global.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%3, %4}], [%2];\n" ::"r"(shared),
      "l"(&map), "r"(barrier), "r"(x), "r"(y)
      : "memory");
}
__device__ __forceinline__ void tma_load_pair(std::uint32_t shared, const CUtensorMap& map, std::uint32_t barrier,
                                              int x, int y, int z) {
  asm volatile(
      "cp.async.bulk.tensor.3d.cta_group::2.shared::cluster.global.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%3, %4, %5}], [%2];\n" ::"r"(shared),
      "l"(&map), "r"(barrier), "r"(x), "r"(y), "r"(z)
      : "memory");
}

#undef ASSAY_CTA_GROUP

}  // namespace assay::ptx
