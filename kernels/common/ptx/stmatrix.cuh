// stmatrix: a warp stores 8x8 blocks of 16-bit elements, the reverse of ldmatrix (sm_90 and later).  C++17.
//
// Lanes 8i..8i+7 give the addresses of the eight 16-byte rows of block i.  Lane l gives of each block the two elements
// at row l/4, columns 2(l%4) and 2(l%4)+1, which is how mma and wgmma deliver their results.
#pragma once
#include <cstdint>

namespace assay::ptx {

__device__ __forceinline__ void stmatrix_x4(std::uint32_t row, std::uint32_t block0, std::uint32_t block1,
                                            std::uint32_t block2, std::uint32_t block3) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};\n" ::"r"(row), "r"(block0),
               "r"(block1), "r"(block2), "r"(block3)
               : "memory");
}

}  // namespace assay::ptx
