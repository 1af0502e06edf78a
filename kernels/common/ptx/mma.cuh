// mma.sync: one warp multiplies small matrices held in registers, accumulating in fp32 (sm_80 and later).  C++17.
//
// Fragments of lane l, with r = l/4 and c = l%4:
//   d, every shape          d[0..1] = D[r][2c, 2c+1],  d[2..3] = D[r+8][2c, 2c+1]
//   m16n8k16, 16-bit pairs  a[0] = A[r][2c..],  a[1] = A[r+8][2c..],  a[2] = A[r][2c+8..],  a[3] = A[r+8][2c+8..]
//                           b0 = B[2c..][r],  b1 = B[2c+8..][r]
//   m16n8k8, tf32           a[0] = A[r][c],  a[1] = A[r+8][c],  a[2] = A[r][c+4],  a[3] = A[r+8][c+4]
//                           b0 = B[c][r],  b1 = B[c+4][r]
#pragma once
#include <cstdint>

namespace assay::ptx {

/// d[16][8] += a[16][16] * b[16][8]
__device__ __forceinline__ void mma_m16n8k16_bf16(float (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                                                  std::uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};\n"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/// d[16][8] += a[16][16] * b[16][8]
__device__ __forceinline__ void mma_m16n8k16_f16(float (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                                                 std::uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};\n"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/// d[16][8] += a[16][8] * b[8][8]; operands are fp32 bit patterns of which the hardware ignores the low 13 bits.
__device__ __forceinline__ void mma_m16n8k8_tf32(float (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                                                 std::uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};\n"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

}  // namespace assay::ptx
