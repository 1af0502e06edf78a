// The highest rate of Hopper's tensor cores: wgmma on operands that stay in shared memory.
//
// Algorithm   Two warpgroups multiply the same 64 x 128-byte tile of a by the same 256 x 128-byte tile of b (m64n256,
//             four steps of k), again and again, each into its own 128 accumulators a thread.  An m64n256 reads 10 KiB
//             of shared memory in its 128 cycles, 80 of the 128 bytes a cycle that there are: the tensor core is the
//             limit.  One group of 16 is always in flight beside the one that is issued.
// Values      Every step adds one (unit_tiles.cuh).
// Resources   256 threads, one CTA a multiprocessor, 40 KiB of shared memory, 128 accumulators a thread.
// Sizes       Steps in multiples of 16.
// Source      Written for this project.
#pragma once
#include "kernels/common/ptx/shared_address.cuh"
#include "kernels/common/ptx/wgmma.cuh"
#include "kernels/peak/cuda_plans.h"
#include "kernels/peak/peak_start.cuh"
#include "kernels/peak/unit_tiles.cuh"

namespace assay {

template <class Units>
inline constexpr ptx::WgmmaTypes kWgmmaTypes = ptx::WgmmaTypes::bf16;
template <>
inline constexpr ptx::WgmmaTypes kWgmmaTypes<UnitsF16> = ptx::WgmmaTypes::f16;
template <>
inline constexpr ptx::WgmmaTypes kWgmmaTypes<UnitsTf32> = ptx::WgmmaTypes::tf32;
template <>
inline constexpr ptx::WgmmaTypes kWgmmaTypes<UnitsE4m3> = ptx::WgmmaTypes::e4m3;

template <class Units>
__global__ void __launch_bounds__(kWgmmaSm90[0].threads, 1) peak_wgmma_sm90(PeakArithmeticParams p) {
  constexpr int kAccumulators = kWgmmaSm90[0].accumulators;
  const std::uint32_t tiles = ptx::shared_address(&ptx::dynamic_smem<unsigned char>());
  write_unit_tiles<Units>(tiles, 64, 256);
  __syncthreads();
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
      ptx::wgmma<kWgmmaTypes<Units>, 256>(sum, a + k, b + k, true);
    }
    ptx::wgmma_commit();
    ptx::wgmma_registers_fence(sum);
    ptx::wgmma_wait<1>();
  }
  ptx::wgmma_wait<0>();
  ptx::wgmma_registers_fence(sum);
  // 16 bytes at a time: lanes lie far apart, and every line that a store touches costs a cycle.
  auto* out = reinterpret_cast<float4*>(p.output + first);
#pragma unroll
  for (int i = 0; i < kAccumulators; i += 4) out[i / 4] = make_float4(sum[i], sum[i + 1], sum[i + 2], sum[i + 3]);
}

}  // namespace assay
