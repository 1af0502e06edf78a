// The highest fp32 multiply-add rate of a GPU, outside its tensor cores.
//
// Algorithm   Every thread adds one to 8 accumulators, again and again, by FMA.  A multiprocessor's partition starts
//             one warp's FMA a cycle (sm_80: every second) and each takes 4: 8 warps of 8 independent chains are far
//             more than that needs.  A turn of the loop is 256 FMA and 3 other instructions, 98.8 % of what is issued.
// Resources   1024 threads, one CTA a multiprocessor, no shared memory; 8 accumulators and little else in registers.
// Sizes       Steps in multiples of 32.
// Source      Written for this project.
#pragma once
#include "kernels/peak/cuda_plans.h"
#include "kernels/peak/peak_start.cuh"

namespace assay {

__global__ void __launch_bounds__(kFmaF32.threads, 1) peak_fma_f32(PeakArithmeticParams p) {
  constexpr int kChains = kFmaF32.accumulators;
  const std::int64_t first = (std::int64_t(blockIdx.x) * kFmaF32.threads + threadIdx.x) * kChains;
  const PeakStarts starts(first);
  const float one = p.one;
  float sum[kChains];
#pragma unroll
  for (int i = 0; i < kChains; ++i) sum[i] = starts[i];
#pragma unroll 1
  for (int turn = 0; turn < p.turns; ++turn) {
#pragma unroll
    for (int step = 0; step < kFmaF32.steps_per_turn; ++step)
#pragma unroll
      for (int i = 0; i < kChains; ++i) sum[i] = fmaf(sum[i], one, one);
  }
#pragma unroll
  for (int i = 0; i < kChains; ++i) p.output[first + i] = sum[i];
}

}  // namespace assay
