// Softmax and its gradient with weights in bf16, through AVX-512 BF16, for the micro-kernels of
// kernels/common/cpu/tile_bf16.cpp.  Intrinsics, because Highway has neither these conversions before 1.2 nor
// AVX-512's own way to a power of two.
//
// Hazard: vcvtne2ps2bf16 takes subnormal numbers as zero and flushes subnormal results, whatever MXCSR says.
#include "kernels/attention/cpu/softmax.h"

#include <algorithm>
#include <limits>

#if defined(__x86_64__)
#include <hwy/base.h>
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12's intrinsics pass "undefined" vectors on, which it then takes for uninitialised variables (its bug 105593).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

// These functions alone are compiled for AVX-512, as in tile_bf16.cpp.
HWY_PUSH_ATTRIBUTES("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")
namespace assay::cpu {
namespace avx512_bf16 {

#include "kernels/attention/cpu/softmax-inl.h"

/// Word 2 i from the low half, word 2 i + 1 from the high half.
alignas(64) constexpr std::uint16_t kInterleave[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                       8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};

struct Bf16 {
  using Vec = __m512;
  static constexpr int kLanes = 16;
  static constexpr bool kBf16 = true;

  static Vec set(float x) { return _mm512_set1_ps(x); }
  static Vec load(const float* from) { return _mm512_loadu_ps(from); }
  static void store(Vec x, float* to) { _mm512_storeu_ps(to, x); }
  static Vec add(Vec x, Vec y) { return _mm512_add_ps(x, y); }
  static Vec sub(Vec x, Vec y) { return _mm512_sub_ps(x, y); }
  static Vec mul(Vec x, Vec y) { return _mm512_mul_ps(x, y); }
  static Vec mul_sub(Vec x, Vec y, Vec z) { return _mm512_fmsub_ps(x, y, z); }
  static Vec max(Vec x, Vec y) { return _mm512_max_ps(x, y); }
  static float max_of_lanes(Vec x) { return _mm512_reduce_max_ps(x); }
  static float sum_of_lanes(Vec x) { return _mm512_reduce_add_ps(x); }

  static unsigned first_lanes(std::int64_t n) { return (1u << std::clamp<std::int64_t>(n, 0, kLanes)) - 1; }
  static Vec choose(Vec v, std::int64_t from, std::int64_t to, Vec other) {
    const auto lanes = static_cast<__mmask16>(first_lanes(to) & ~first_lanes(from));
    return _mm512_mask_blend_ps(lanes, other, v);
  }

  /// 2^x with a relative error of 3 * 2^-24, of the 8 that the reference allows: weights lose far more to their
  /// rounding.
  static Vec exp2(Vec x) {
    const Vec fraction = _mm512_reduce_ps(x, 0x09);  // x - floor(x), silently
    // 1 + f q(f) nearest to 2^f on [0, 1] in relative error: 8e-8
    Vec p = _mm512_set1_ps(0.00186713007f);
    p = _mm512_fmadd_ps(p, fraction, _mm512_set1_ps(0.00901703032f));
    p = _mm512_fmadd_ps(p, fraction, _mm512_set1_ps(0.0557999131f));
    p = _mm512_fmadd_ps(p, fraction, _mm512_set1_ps(0.24016445f));
    p = _mm512_fmadd_ps(p, fraction, _mm512_set1_ps(0.693151312f));
    p = _mm512_fmadd_ps(p, fraction, _mm512_set1_ps(1.0f));
    return _mm512_scalef_ps(p, x);  // p 2^floor(x)
  }

  static void store_weights(Vec x, Vec y, float* row, std::int64_t j) {
    _mm512_storeu_si512(reinterpret_cast<std::uint16_t*>(row) + j, (__m512i)_mm512_cvtne2ps_pbh(y, x));
  }
  static void store_unit(Vec even, Vec odd, std::uint32_t* to) {
    const __m512i halves = (__m512i)_mm512_cvtne2ps_pbh(odd, even);
    _mm512_storeu_si512(to, _mm512_permutexvar_epi16(_mm512_load_si512(kInterleave), halves));
  }
};

void weigh(const SoftmaxBlock& block) { weigh_all<Bf16>(block); }
void gradients(const GradientBlock& block) { gradients_all<Bf16>(block); }

}  // namespace avx512_bf16
}  // namespace assay::cpu
HWY_POP_ATTRIBUTES
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#endif

namespace assay::cpu {

Softmax bf16_softmax() {
#if defined(__x86_64__)
  if (bf16_tiles() != nullptr) return {avx512_bf16::weigh, avx512_bf16::gradients};
#endif
  return {};
}

}  // namespace assay::cpu
