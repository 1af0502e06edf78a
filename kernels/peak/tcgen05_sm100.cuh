// The highest rate of Blackwell's tensor cores (sm_100a, sm_103a): tcgen05.mma on operands that stay in shared memory.
//
// Algorithm   One thread multiplies the same 128 x 128-byte tile of a by the same 256 x 128-byte tile of b (m128n256,
//             four steps of k), again and again, into 256 columns of tensor memory.  An instruction reads 12 KiB of
//             shared memory in its 128 cycles, 96 of the 128 bytes a cycle that there are: the tensor core is the
//             limit.
// Values      Every step adds one (unit_tiles.cuh).  Sums begin at zero in tensor memory; where the contract wants
//             them to start is added on their way out.
// Resources   128 threads, one CTA a multiprocessor, 49 KiB of shared memory, 256 of 512 columns of tensor memory.
// Sizes       Steps in multiples of 16.
// Source      Written for this project.
#pragma once
#include "kernels/common/ptx/fence.cuh"
#include "kernels/common/ptx/mbarrier.cuh"
#include "kernels/common/ptx/shared_address.cuh"
#include "kernels/common/ptx/tcgen05.cuh"
#include "kernels/common/tcgen05_descriptors.h"
#include "kernels/peak/cuda_plans.h"
#include "kernels/peak/peak_start.cuh"
#include "kernels/peak/unit_tiles.cuh"

namespace assay {

struct PeakTcgen05Shared {
  unsigned char tiles[(kPeakTcgen05M + kPeakTcgen05N) * 128];  // a, and behind it b
  std::uint64_t done;
  std::uint32_t tensor_memory;
};
static_assert(sizeof(PeakTcgen05Shared) <= kTcgen05Sm100SharedBytes);

/// A dtype's multiplication, one instruction.
template <class Units>
__device__ __forceinline__ void peak_tcgen05_mma(std::uint32_t d, std::uint64_t a, std::uint64_t b,
                                                 std::uint32_t instruction, bool accumulate) {
  if constexpr (Units::kBytes == 1)
    ptx::tcgen05_mma_f8f6f4<1>(d, a, b, instruction, accumulate);
  else
    ptx::tcgen05_mma_f16<1>(d, a, b, instruction, accumulate);
}

template <class Units>
__global__ void __launch_bounds__(kTcgen05Sm100[0].threads, 1) peak_tcgen05_sm100(PeakTcgen05Params p) {
  constexpr int kColumns = kPeakTcgen05N;
  auto& shared = ptx::dynamic_smem<PeakTcgen05Shared>();
  const std::uint32_t tiles = ptx::shared_address(shared.tiles), done = ptx::shared_address(&shared.done);
  const unsigned warp = threadIdx.x / 32;
  if (warp == 0) {
    ptx::tcgen05_alloc<1>(ptx::shared_address(&shared.tensor_memory), kColumns);
    ptx::tcgen05_relinquish_alloc_permit<1>();
  }
  if (threadIdx.x == 0) {
    ptx::mbarrier_init(done, 1);
    ptx::fence_mbarrier_init();
  }
  write_unit_tiles<Units>(tiles, kPeakTcgen05M, kPeakTcgen05N);
  ptx::tcgen05_fence_before_thread_sync();
  __syncthreads();
  ptx::tcgen05_fence_after_thread_sync();
  const std::uint32_t sums = shared.tensor_memory;
  if (threadIdx.x == 0) {
    const std::uint64_t a = p.tile + tiles / 16, b = p.tile + (tiles + kPeakTcgen05M * 128) / 16;
#pragma unroll 1
    for (int turn = 0; turn < p.turns; ++turn)
#pragma unroll
      for (int step = 0; step < kTcgen05Sm100[0].steps_per_turn; ++step) {
        const std::uint64_t k = step % 4 * 2;  // 32 bytes, in the descriptor's units of 16
        peak_tcgen05_mma<Units>(sums, a + k, b + k, p.instruction, turn > 0 || step > 0);
      }
    ptx::tcgen05_commit<1>(done);
  }
  __syncwarp();
  ptx::mbarrier_wait(done, 0);
  ptx::tcgen05_fence_after_thread_sync();
  const std::int64_t first = (std::int64_t(blockIdx.x) * kTcgen05Sm100[0].threads + threadIdx.x) * kColumns;
#pragma unroll 1
  for (int column = 0; column < kColumns; column += 32) {
    std::uint32_t bits[1][32];
    ptx::tcgen05_ld_32x32b_x32(bits[0], sums + (warp << 21) + column);  // lane 32 * warp, in the address's upper half
    ptx::tcgen05_wait_ld(bits);
    const PeakStarts starts(first + column);
    const auto sum = [&](int i) { return __uint_as_float(bits[0][i]) + starts[i]; };
    // 16 bytes at a time: lanes lie far apart, and every line that a store touches costs a cycle.
    auto* out = reinterpret_cast<float4*>(p.output + first + column);
#pragma unroll
    for (int i = 0; i < 32; i += 4) out[i / 4] = make_float4(sum(i), sum(i + 1), sum(i + 2), sum(i + 3));
  }
  ptx::tcgen05_fence_before_thread_sync();
  __syncthreads();
  ptx::tcgen05_fence_after_thread_sync();
  if (warp == 0) ptx::tcgen05_dealloc<1>(sums, kColumns);
}

}  // namespace assay
