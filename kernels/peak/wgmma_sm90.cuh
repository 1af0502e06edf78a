// The highest rate of Hopper's tensor cores: wgmma on operands that stay in shared memory.
//
// Algorithm   Two warpgroups multiply the same 64 x 128-byte tile of a by the same 256 x 128-byte tile of b (m64n256,
//             four steps of k), again and again, each into its own 128 accumulators a thread.  An m64n256 reads 10 KiB
//             of shared memory in its 128 cycles, 80 of the 128 bytes a cycle that there are: the tensor core is the
//             limit.  One group of 16 is always in flight beside the one that is issued.
// Values      b is ones.  Of each step's k elements of a the first is 0, the others are 1 and -1 in turn: their sum is
// 1,
//             so that the sums stay small enough to be exact for 8-bit products too, whose sums have 14 bits.
// Resources   256 threads, one CTA a multiprocessor, 40 KiB of shared memory, 128 accumulators a thread.
// Sizes       Steps in multiples of 16.
// Source      Written for this project.
#pragma once
#include "kernels/common/ptx/fence.cuh"
#include "kernels/common/ptx/shared_access.cuh"
#include "kernels/common/ptx/shared_address.cuh"
#include "kernels/common/ptx/wgmma.cuh"
#include "kernels/peak/cuda_plans.h"
#include "kernels/peak/peak_start.cuh"

namespace assay {

// A dtype, and its elements in 32-bit words: of a step's 32 bytes of a the first word, which begins with 0, the even
// and the odd others; and every word of b.
struct PeakWgmmaBf16 {
  static constexpr auto kTypes = ptx::WgmmaTypes::bf16;
  static constexpr std::uint32_t kFirst = 0x3f800000u, kEven = 0x3f80bf80u, kOdd = 0x3f80bf80u, kOnes = 0x3f803f80u;
};
struct PeakWgmmaF16 {
  static constexpr auto kTypes = ptx::WgmmaTypes::f16;
  static constexpr std::uint32_t kFirst = 0x3c000000u, kEven = 0x3c00bc00u, kOdd = 0x3c00bc00u, kOnes = 0x3c003c00u;
};
struct PeakWgmmaTf32 {
  static constexpr auto kTypes = ptx::WgmmaTypes::tf32;
  static constexpr std::uint32_t kFirst = 0, kEven = 0xbf800000u, kOdd = 0x3f800000u, kOnes = 0x3f800000u;
};
struct PeakWgmmaE4m3 {
  static constexpr auto kTypes = ptx::WgmmaTypes::e4m3;
  static constexpr std::uint32_t kFirst = 0x38b83800u, kEven = 0x38b838b8u, kOdd = 0x38b838b8u, kOnes = 0x38383838u;
};

/// The tiles of a (64 rows) and, behind it, of b (256 rows), written by all threads.
template <class Wgmma>
__device__ __forceinline__ void write_peak_tiles(std::uint32_t tiles) {
  for (unsigned word = threadIdx.x; word < kWgmmaSm90SharedBytes / 4; word += blockDim.x) {
    const unsigned row = word / 32, of_step = word % 8;
    const std::uint32_t of_a = of_step == 0 ? Wgmma::kFirst : of_step % 2 == 0 ? Wgmma::kEven : Wgmma::kOdd;
    ptx::store_shared(tiles + ptx::swizzle_128b(word * 4), row < 64 ? of_a : Wgmma::kOnes);
  }
  ptx::fence_proxy_async();  // each writer: wgmma reads through the async proxy
  __syncthreads();
}

template <class Wgmma>
__global__ void __launch_bounds__(kWgmmaSm90[0].threads, 1) peak_wgmma_sm90(PeakArithmeticParams p) {
  constexpr int kAccumulators = kWgmmaSm90[0].accumulators;
  const std::uint32_t tiles = ptx::shared_address(&ptx::dynamic_smem<unsigned char>());
  write_peak_tiles<Wgmma>(tiles);
  const std::uint64_t a = ptx::wgmma_descriptor(tiles, 16, 1024);
  const std::uint64_t b = ptx::wgmma_descriptor(tiles + 64 * 128, 16, 1024);
  const std::int64_t first = (std::int64_t(blockIdx.x) * kWgmmaSm90[0].threads + threadIdx.x) * kAccumulators;
  const PeakStarts starts(first);
  float sum[kAccumulators];
#pragma unroll
  for (int i = 0; i < kAccumulators; ++i) sum[i] = starts[i];
#pragma unroll 1
  for (int turn = 0; turn < p.turns; ++turn) {
    ptx::wgmma_registers_fence(sum);
    ptx::wgmma_fence();
#pragma unroll
    for (int step = 0; step < kWgmmaSm90[0].steps_per_turn; ++step) {
      const std::uint64_t k = step % 4 * 2;  // 32 bytes, in the descriptor's units of 16
      ptx::wgmma<Wgmma::kTypes, 256>(sum, a + k, b + k, true);
    }
    ptx::wgmma_commit();
    ptx::wgmma_registers_fence(sum);
    ptx::wgmma_wait<1>();
  }
  ptx::wgmma_wait<0>();
  ptx::wgmma_registers_fence(sum);
#pragma unroll
  for (int i = 0; i < kAccumulators; ++i) p.output[first + i] = sum[i];
}

}  // namespace assay
