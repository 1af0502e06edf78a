// Operand tiles for tensor cores that read shared memory: rows of 128 bytes under the 128-byte swizzle, k-major, such
// that every step of 32 bytes along k adds exactly one.  C++17.
//
// b is ones.  Of a step's elements of a the first is 0, the others are 1 and -1 in turn: their sum is 1, so that sums
// stay small enough to be exact for 8-bit products too, whose sums have 14 bits on Hopper.
#pragma once
#include "kernels/common/ptx/fence.cuh"
#include "kernels/common/ptx/shared_access.cuh"
#include "kernels/common/ptx/wgmma_descriptor.h"

namespace assay {

// A dtype's elements in 32-bit words: of a step of a the first word, which begins with 0, the even and the odd others;
// and every word of b.
struct UnitsBf16 {
  static constexpr int kBytes = 2;
  static constexpr std::uint32_t kFirst = 0x3f800000u, kEven = 0x3f80bf80u, kOdd = 0x3f80bf80u, kOnes = 0x3f803f80u;
};
struct UnitsF16 {
  static constexpr int kBytes = 2;
  static constexpr std::uint32_t kFirst = 0x3c000000u, kEven = 0x3c00bc00u, kOdd = 0x3c00bc00u, kOnes = 0x3c003c00u;
};
struct UnitsTf32 {
  static constexpr int kBytes = 4;
  static constexpr std::uint32_t kFirst = 0, kEven = 0xbf800000u, kOdd = 0x3f800000u, kOnes = 0x3f800000u;
};
struct UnitsE4m3 {
  static constexpr int kBytes = 1;
  static constexpr std::uint32_t kFirst = 0x38b83800u, kEven = 0x38b838b8u, kOdd = 0x38b838b8u, kOnes = 0x38383838u;
};

/// `a_rows` of a and, behind them, `b_rows` of b at shared address `tiles`, a multiple of 1024; by all threads, for the
/// tensor core to read after a barrier.
template <class Units>
__device__ __forceinline__ void write_unit_tiles(std::uint32_t tiles, unsigned a_rows, unsigned b_rows) {
  constexpr unsigned kRowWords = 32, kStepWords = 8;
  for (unsigned word = threadIdx.x; word < (a_rows + b_rows) * kRowWords; word += blockDim.x) {
    const unsigned of_step = word % kStepWords;
    const std::uint32_t of_a = of_step == 0 ? Units::kFirst : of_step % 2 == 0 ? Units::kEven : Units::kOdd;
    ptx::store_shared(tiles + ptx::swizzle_128b(word * 4), word < a_rows * kRowWords ? of_a : Units::kOnes);
  }
  ptx::fence_proxy_async();  // each writer: tensor cores read through the async proxy
}

}  // namespace assay
