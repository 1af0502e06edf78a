// The highest rate of the tensor cores by mma.sync, operands and sums in registers.
//
// Algorithm   A warp multiplies one pair of fragments, all ones, into 8 independent accumulator tiles, again and again.
//             Four warps a partition and 8 tiles each are more than the latency of an mma needs.
// Resources   512 threads, one CTA a multiprocessor; 32 accumulators and 6 operand registers a thread.
// Sizes       Steps in multiples of 8.
// Limits      On Hopper and data-center Blackwell this is not the tensor cores' peak: they are only fed fast enough by
//             wgmma and tcgen05, from shared memory.  There the row refuses (supports_mma_sm80_peak).
// Source      Written for this project.
#pragma once
#include "kernels/common/ptx/mma.cuh"
#include "kernels/peak/cuda_plans.h"
#include "kernels/peak/peak_start.cuh"

namespace assay {

// A dtype's multiplication, and ones in its bits: two 16-bit ones, or an fp32 one for tf32.
struct PeakMmaBf16 {
  __device__ static std::uint32_t ones(float one) { return (__float_as_uint(one) >> 16) * 0x10001u; }
  __device__ static void multiply(float (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b) {
    ptx::mma_m16n8k16_bf16(d, a, b, b);
  }
};

struct PeakMmaF16 {
  // 1 is 2^0: fp16 has a bias of 15 and 10 bits of mantissa where fp32 has 127 and 23.
  __device__ static std::uint32_t ones(float one) {
    return ((__float_as_uint(one) >> 13) - ((127u - 15u) << 10)) * 0x10001u;
  }
  __device__ static void multiply(float (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b) {
    ptx::mma_m16n8k16_f16(d, a, b, b);
  }
};

struct PeakMmaTf32 {
  __device__ static std::uint32_t ones(float one) { return __float_as_uint(one); }
  __device__ static void multiply(float (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b) {
    ptx::mma_m16n8k8_tf32(d, a, b, b);
  }
};

template <class Mma>
__global__ void __launch_bounds__(kMmaSm80[0].threads, 1) peak_mma_sm80(PeakArithmeticParams p) {
  constexpr int kTiles = kMmaSm80[0].accumulators / 4;
  constexpr int kStepsPerTurn = kMmaSm80[0].steps_per_turn;
  const std::int64_t first = (std::int64_t(blockIdx.x) * kMmaSm80[0].threads + threadIdx.x) * kMmaSm80[0].accumulators;
  const PeakStarts starts(first);
  const std::uint32_t ones = Mma::ones(p.one);
  const std::uint32_t a[4] = {ones, ones, ones, ones};
  float sum[kTiles][4];
#pragma unroll
  for (int tile = 0; tile < kTiles; ++tile)
#pragma unroll
    for (int i = 0; i < 4; ++i) sum[tile][i] = starts[tile * 4 + i];
#pragma unroll 1
  for (int turn = 0; turn < p.turns; ++turn) {
#pragma unroll
    for (int step = 0; step < kStepsPerTurn; ++step)
#pragma unroll
      for (int tile = 0; tile < kTiles; ++tile) Mma::multiply(sum[tile], a, ones);
  }
#pragma unroll
  for (int tile = 0; tile < kTiles; ++tile)
#pragma unroll
    for (int i = 0; i < 4; ++i) p.output[first + tile * 4 + i] = sum[tile][i];
}

}  // namespace assay
