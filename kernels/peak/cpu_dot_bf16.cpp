// The highest bf16 rate of a core with AVX-512 BF16: vdpbf16ps multiplies two pairs in each 32-bit lane and adds both
// products to an fp32 sum.  Intrinsics, because Highway offers this instruction only since 1.2, newer than the oldest
// distribution we build on.  As for fp32 (cpu_fma_f32.cpp), tests hold the loop to registers.
#include "kernels/peak/cpu_loops.h"

#if defined(__x86_64__)
#include <hwy/base.h>
#include <immintrin.h>

// These functions alone are compiled for AVX-512: a flag for the whole file would also apply to library templates that
// the linker may pick for every other file.
HWY_PUSH_ATTRIBUTES("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")
namespace assay {
namespace {

constexpr int kChains = 20;  // of 32 registers, as many as fp32 has
constexpr int kLanes = 16;

void run_dot_bf16(std::int64_t steps, float one, float* accumulator) {
  // Both halves of every lane are one.
  const auto factor =
      (__m512bh)_mm512_set1_epi32(int(_mm_extract_epi16(_mm_castps_si128(_mm_set_ss(one)), 1)) * 0x10001);
  __m512 sum[kChains];
#pragma GCC unroll 20
  for (int i = 0; i < kChains; ++i) sum[i] = _mm512_loadu_ps(accumulator + i * kLanes);
  for (std::int64_t step = 0; step < steps; ++step) {
#pragma GCC unroll 20
    for (int i = 0; i < kChains; ++i) sum[i] = _mm512_dpbf16_ps(sum[i], factor, factor);
  }
#pragma GCC unroll 20
  for (int i = 0; i < kChains; ++i) _mm512_storeu_ps(accumulator + i * kLanes, sum[i]);
}

constexpr ArithmeticLoop kLoop = {"AVX-512 BF16", kChains* kLanes, 2, run_dot_bf16};

}  // namespace
}  // namespace assay
HWY_POP_ATTRIBUTES
#endif

namespace assay {

const ArithmeticLoop* dot_bf16_loop() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
    return &kLoop;
#endif
  return nullptr;
}

}  // namespace assay
