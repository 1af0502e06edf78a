// wgmma: a warpgroup multiplies matrices in shared memory, accumulating in fp32 registers (sm_90a).  C++17.
//
//   d[64][kN] (+)= a[64][k] * b[k][kN],   k = 16 (bf16, f16), 8 (tf32), 32 (8 bits): 32 bytes
//
// Warp w, lane l of the warpgroup holds, for each j < kN / 8:  d[4j], d[4j+1] = D[16w + l/4][8j + 2(l%4) + {0, 1}],
// d[4j+2], d[4j+3] the same in row 16w + l/4 + 8.  Operands are found by descriptors (wgmma_descriptor.h).
//
// Sequence: wgmma_fence, wgmma ..., wgmma_commit; after wgmma_wait the group's operands may be overwritten and its
// registers used.  Between the first and the wait nothing else may touch the registers, or ptxas serialises the lot
// (notes C7510 to C7515); wgmma_registers_fence() keeps the compiler from moving code that does.
#pragma once
#include <cstdint>

#include "kernels/common/ptx/wgmma_descriptor.h"

namespace assay::ptx {

__device__ __forceinline__ void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;\n" ::: "memory"); }
__device__ __forceinline__ void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;\n" ::: "memory"); }

/// Waits until at most `kPending` of the warpgroup's newest groups are unfinished.
template <int kPending>
__device__ __forceinline__ void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;\n" ::"n"(kPending) : "memory");
}

/// No instruction; the compiler must not move uses of `d` across it.
template <int kCount>
__device__ __forceinline__ void wgmma_registers_fence(float (&d)[kCount]) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) asm volatile("" : "+f"(d[i])::"memory");
}

/// Element types of a and b.
enum class WgmmaTypes { bf16, f16, tf32, e4m3, e5m2, e4m3_e5m2, e5m2_e4m3 };

// The registers of d: operand numbers for the assembler, constraints for the compiler.  Each list begins with the one
// before it.
#define ASSAY_WGMMA_D32 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15"
#define ASSAY_WGMMA_D64 \
  ASSAY_WGMMA_D32 ", %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define ASSAY_WGMMA_D96 \
  ASSAY_WGMMA_D64 ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47"
#define ASSAY_WGMMA_D128 \
  ASSAY_WGMMA_D96 ", %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define ASSAY_WGMMA_D160 \
  ASSAY_WGMMA_D128 ", %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79"
#define ASSAY_WGMMA_D192 \
  ASSAY_WGMMA_D160 ", %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95"
#define ASSAY_WGMMA_D224 \
  ASSAY_WGMMA_D192 ", %96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111"
#define ASSAY_WGMMA_D256 \
  ASSAY_WGMMA_D224 ", %112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
#define ASSAY_WGMMA_4(d, i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define ASSAY_WGMMA_16(d, i) \
  ASSAY_WGMMA_4(d, i), ASSAY_WGMMA_4(d, i + 4), ASSAY_WGMMA_4(d, i + 8), ASSAY_WGMMA_4(d, i + 12)
#define ASSAY_WGMMA_R32(d) ASSAY_WGMMA_16(d, 0)
#define ASSAY_WGMMA_R64(d) ASSAY_WGMMA_R32(d), ASSAY_WGMMA_16(d, 16)
#define ASSAY_WGMMA_R96(d) ASSAY_WGMMA_R64(d), ASSAY_WGMMA_16(d, 32)
#define ASSAY_WGMMA_R128(d) ASSAY_WGMMA_R96(d), ASSAY_WGMMA_16(d, 48)
#define ASSAY_WGMMA_R160(d) ASSAY_WGMMA_R128(d), ASSAY_WGMMA_16(d, 64)
#define ASSAY_WGMMA_R192(d) ASSAY_WGMMA_R160(d), ASSAY_WGMMA_16(d, 80)
#define ASSAY_WGMMA_R224(d) ASSAY_WGMMA_R192(d), ASSAY_WGMMA_16(d, 96)
#define ASSAY_WGMMA_R256(d) ASSAY_WGMMA_R224(d), ASSAY_WGMMA_16(d, 112)

// The instruction for one kN: the numbers are those of the operands that follow d's registers, `types` begins with the
// shape's k, `transposes` names the macro that adds the transposition immediates, which only 16-bit types have.
#define ASSAY_WGMMA_TRANSPOSES(a, b) ", " a ", " b
#define ASSAY_WGMMA_NO_TRANSPOSES(a, b)
#define ASSAY_WGMMA(n, types, transposes, desc_a_, desc_b_, accumulate_, major_a, major_b)               \
  if constexpr (kN == n)                                                                                 \
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " accumulate_                                           \
               ", 0;\n"                                                                                  \
               "wgmma.mma_async.sync.aligned.m64n" #n types " {" ASSAY_WGMMA_D##n                        \
               "}, " desc_a_ ", " desc_b_ ", p, 1, 1" transposes(major_a, major_b) ";\n}\n"              \
               : ASSAY_WGMMA_R##n(d)                                                                     \
               : "l"(desc_a), "l"(desc_b), "r"(static_cast<int>(accumulate)), "n"(static_cast<int>(kA)), \
                 "n"(static_cast<int>(kB)))
#define ASSAY_WGMMA_OF(types, transposes)                                      \
  ASSAY_WGMMA(32, types, transposes, "%16", "%17", "%18", "%19", "%20");       \
  ASSAY_WGMMA(64, types, transposes, "%32", "%33", "%34", "%35", "%36");       \
  ASSAY_WGMMA(96, types, transposes, "%48", "%49", "%50", "%51", "%52");       \
  ASSAY_WGMMA(128, types, transposes, "%64", "%65", "%66", "%67", "%68");      \
  ASSAY_WGMMA(160, types, transposes, "%80", "%81", "%82", "%83", "%84");      \
  ASSAY_WGMMA(192, types, transposes, "%96", "%97", "%98", "%99", "%100");     \
  ASSAY_WGMMA(224, types, transposes, "%112", "%113", "%114", "%115", "%116"); \
  ASSAY_WGMMA(256, types, transposes, "%128", "%129", "%130", "%131", "%132");

/// kN: a multiple of 32 up to 256.  Without `accumulate` the product replaces d.
template <WgmmaTypes kTypes, int kN, Major kA = Major::k, Major kB = Major::k>
__device__ __forceinline__ void wgmma(float (&d)[kN / 2], std::uint64_t desc_a, std::uint64_t desc_b, bool accumulate) {
  static_assert(kN % 32 == 0 && kN >= 32 && kN <= 256);
  static_assert(kTypes == WgmmaTypes::bf16 || kTypes == WgmmaTypes::f16 || (kA == Major::k && kB == Major::k),
                "only 16-bit operands may be mn-major");
  if constexpr (kTypes == WgmmaTypes::bf16) {
    ASSAY_WGMMA_OF("k16.f32.bf16.bf16", ASSAY_WGMMA_TRANSPOSES)
  } else if constexpr (kTypes == WgmmaTypes::f16) {
    ASSAY_WGMMA_OF("k16.f32.f16.f16", ASSAY_WGMMA_TRANSPOSES)
  } else if constexpr (kTypes == WgmmaTypes::tf32) {
    ASSAY_WGMMA_OF("k8.f32.tf32.tf32", ASSAY_WGMMA_NO_TRANSPOSES)
  } else if constexpr (kTypes == WgmmaTypes::e4m3) {
    ASSAY_WGMMA_OF("k32.f32.e4m3.e4m3", ASSAY_WGMMA_NO_TRANSPOSES)
  } else if constexpr (kTypes == WgmmaTypes::e5m2) {
    ASSAY_WGMMA_OF("k32.f32.e5m2.e5m2", ASSAY_WGMMA_NO_TRANSPOSES)
  } else if constexpr (kTypes == WgmmaTypes::e4m3_e5m2) {
    ASSAY_WGMMA_OF("k32.f32.e4m3.e5m2", ASSAY_WGMMA_NO_TRANSPOSES)
  } else {
    ASSAY_WGMMA_OF("k32.f32.e5m2.e4m3", ASSAY_WGMMA_NO_TRANSPOSES)
  }
}

// ---- the first product of a sum -------------------------------------------------------------------------------------
#define ASSAY_WGMMA_W4(d, i) "=f"(d[i]), "=f"(d[i + 1]), "=f"(d[i + 2]), "=f"(d[i + 3])
#define ASSAY_WGMMA_W16(d, i) \
  ASSAY_WGMMA_W4(d, i), ASSAY_WGMMA_W4(d, i + 4), ASSAY_WGMMA_W4(d, i + 8), ASSAY_WGMMA_W4(d, i + 12)
#define ASSAY_WGMMA_W32(d) ASSAY_WGMMA_W16(d, 0)
#define ASSAY_WGMMA_W64(d) ASSAY_WGMMA_W32(d), ASSAY_WGMMA_W16(d, 16)
#define ASSAY_WGMMA_W128(d) ASSAY_WGMMA_W64(d), ASSAY_WGMMA_W16(d, 32), ASSAY_WGMMA_W16(d, 48)
#define ASSAY_WGMMA_FIRST(n, types, desc_a_, desc_b_, major_a, major_b)                                              \
  if constexpr (kN == n)                                                                                             \
  asm volatile(                                                                                                      \
      "{\n.reg .pred p;\nsetp.ne.b32 p, 0, 0;\n"                                                                     \
      "wgmma.mma_async.sync.aligned.m64n" #n types " {" ASSAY_WGMMA_D##n "}, " desc_a_ ", " desc_b_                  \
                                                                         ", p, 1, 1, " major_a ", " major_b ";\n}\n" \
      : ASSAY_WGMMA_W##n(d)                                                                                          \
      : "l"(desc_a), "l"(desc_b), "n"(static_cast<int>(kA)), "n"(static_cast<int>(kB)))
#define ASSAY_WGMMA_FIRST_OF(types)                         \
  ASSAY_WGMMA_FIRST(32, types, "%16", "%17", "%18", "%19"); \
  ASSAY_WGMMA_FIRST(64, types, "%32", "%33", "%34", "%35"); \
  ASSAY_WGMMA_FIRST(128, types, "%64", "%65", "%66", "%67");

/// d = a * b for 16-bit operands, kN = 32, 64 or 128.  The compiler need not keep what d held, so that accumulators of
/// a loop are registers only while they are in use; wgmma() without `accumulate` reads them, as far as it knows.
template <WgmmaTypes kTypes, int kN, Major kA = Major::k, Major kB = Major::k>
__device__ __forceinline__ void wgmma_first(float (&d)[kN / 2], std::uint64_t desc_a, std::uint64_t desc_b) {
  static_assert(kN == 32 || kN == 64 || kN == 128);
  static_assert(kTypes == WgmmaTypes::bf16 || kTypes == WgmmaTypes::f16);
  if constexpr (kTypes == WgmmaTypes::bf16) {
    ASSAY_WGMMA_FIRST_OF("k16.f32.bf16.bf16")
  } else {
    ASSAY_WGMMA_FIRST_OF("k16.f32.f16.f16")
  }
}

}  // namespace assay::ptx
