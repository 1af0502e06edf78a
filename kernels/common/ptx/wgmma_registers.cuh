// wgmma with a in registers: what a warpgroup has just computed is multiplied without going through shared memory
// (sm_90a; see wgmma.cuh for the sequence of fence, commit and wait).  C++17.
//
//   d[64][kN] (+)= a[64][k] * b[k][kN],   k = 16 (16-bit a and b) or 32 (8 bits)
//
// 16 bits: warp w, lane l of the warpgroup holds a[0] = A[16w + l/4][2(l%4) + {0, 1}], a[1] the same 8 rows below, a[2]
// and a[3] the same 8 columns on.  Two neighbouring 8-column blocks of an accumulator, rounded and packed, are exactly
// that: nothing has to be exchanged between threads.
// 8 bits: a[0] = A[16w + l/4][4(l%4) + {0, 1, 2, 3}], a[1] the same 8 rows below, a[2] and a[3] the same 16 columns on.
// An accumulator has pairs of columns, so that the threads of a row hold them in another order: b's rows must have it
// too.
// a's registers must not change before the wait (note C7514).
#pragma once
#include <cstdint>

#include "kernels/common/ptx/wgmma.cuh"

namespace assay::ptx {

#define ASSAY_WGMMA_REGISTERS(n, types, a0, a1, a2, a3, desc_b_, accumulate_, major_b)                       \
  if constexpr (kN == n)                                                                                     \
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " accumulate_                                               \
               ", 0;\n"                                                                                      \
               "wgmma.mma_async.sync.aligned.m64n" #n types " {" ASSAY_WGMMA_D##n                            \
               "}, {" a0 ", " a1 ", " a2 ", " a3 "}, " desc_b_ ", p, 1, 1, " major_b ";\n}\n"                \
               : ASSAY_WGMMA_R##n(d)                                                                         \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(desc_b), "r"(static_cast<int>(accumulate)), \
                 "n"(static_cast<int>(kB)))
#define ASSAY_WGMMA_REGISTERS_OF(types)                                                  \
  ASSAY_WGMMA_REGISTERS(64, types, "%32", "%33", "%34", "%35", "%36", "%37", "%38");     \
  ASSAY_WGMMA_REGISTERS(96, types, "%48", "%49", "%50", "%51", "%52", "%53", "%54");     \
  ASSAY_WGMMA_REGISTERS(128, types, "%64", "%65", "%66", "%67", "%68", "%69", "%70");    \
  ASSAY_WGMMA_REGISTERS(192, types, "%96", "%97", "%98", "%99", "%100", "%101", "%102"); \
  ASSAY_WGMMA_REGISTERS(256, types, "%128", "%129", "%130", "%131", "%132", "%133", "%134");

#define ASSAY_WGMMA_REGISTERS_8(n, types, a0, a1, a2, a3, desc_b_, accumulate_)                                     \
  if constexpr (kN == n)                                                                                            \
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " accumulate_                                                      \
               ", 0;\n"                                                                                             \
               "wgmma.mma_async.sync.aligned.m64n" #n types " {" ASSAY_WGMMA_D##n "}, {" a0 ", " a1 ", " a2 ", " a3 \
                                                                                  "}, " desc_b_ ", p, 1, 1;\n}\n"   \
               : ASSAY_WGMMA_R##n(d)                                                                                \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(desc_b), "r"(static_cast<int>(accumulate)))

/// kN: 64, 96, 128, 192 or 256.  Without `accumulate` the product replaces d.
template <WgmmaTypes kTypes, int kN, Major kB>
__device__ __forceinline__ void wgmma_registers(float (&d)[kN / 2], const std::uint32_t (&a)[4], std::uint64_t desc_b,
                                                bool accumulate) {
  static_assert(kN == 64 || kN == 96 || kN == 128 || kN == 192 || kN == 256);
  static_assert(kTypes == WgmmaTypes::bf16 || kTypes == WgmmaTypes::f16 || kTypes == WgmmaTypes::e4m3);
  static_assert(kTypes != WgmmaTypes::e4m3 || (kB == Major::k && (kN == 64 || kN == 128 || kN == 256)),
                "only 16-bit operands may be mn-major");
  if constexpr (kTypes == WgmmaTypes::e4m3) {
    ASSAY_WGMMA_REGISTERS_8(64, "k32.f32.e4m3.e4m3", "%32", "%33", "%34", "%35", "%36", "%37");
    ASSAY_WGMMA_REGISTERS_8(128, "k32.f32.e4m3.e4m3", "%64", "%65", "%66", "%67", "%68", "%69");
    ASSAY_WGMMA_REGISTERS_8(256, "k32.f32.e4m3.e4m3", "%128", "%129", "%130", "%131", "%132", "%133");
  } else if constexpr (kTypes == WgmmaTypes::bf16) {
    ASSAY_WGMMA_REGISTERS_OF("k16.f32.bf16.bf16")
  } else {
    ASSAY_WGMMA_REGISTERS_OF("k16.f32.f16.f16")
  }
}

}  // namespace assay::ptx
