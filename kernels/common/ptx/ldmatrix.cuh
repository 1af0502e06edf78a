// ldmatrix: a warp loads 8x8 blocks of 16-bit elements into mma fragments (sm_75 and later).  C++17.
//
// Lanes 8i..8i+7 give the addresses of the eight 16-byte rows of block i.  Lane l receives of each block the two
// elements at row l/4, columns 2(l%4) and 2(l%4)+1; with .trans the block is transposed on the way.
#pragma once
#include <cstdint>

namespace assay::ptx {

__device__ __forceinline__ void ldmatrix_x4(std::uint32_t (&block)[4], std::uint32_t row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];\n"
               : "=r"(block[0]), "=r"(block[1]), "=r"(block[2]), "=r"(block[3])
               : "r"(row)
               : "memory");
}

__device__ __forceinline__ void ldmatrix_x4_trans(std::uint32_t (&block)[4], std::uint32_t row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];\n"
               : "=r"(block[0]), "=r"(block[1]), "=r"(block[2]), "=r"(block[3])
               : "r"(row)
               : "memory");
}

}  // namespace assay::ptx
