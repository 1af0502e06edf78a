// The bf16 micro-kernels through AVX-512 BF16's vdpbf16ps: each 32-bit lane multiplies two bf16 pairs and adds both
// products to an fp32 sum.  Intrinsics, because Highway offers this instruction only since 1.2, newer than the oldest
// distribution we build on.
//
// Hazard: vdpbf16ps takes subnormal inputs as zero and flushes subnormal sums, and vcvtneps2bf16 subnormal results,
// whatever MXCSR says.
#include "kernels/common/cpu/tile.h"

#include <algorithm>
#include <cstring>
#include <utility>

#if defined(__x86_64__)
#include <hwy/base.h>
#include <immintrin.h>

// These functions alone are compiled for AVX-512: a flag for the whole file would also apply to library templates that
// the linker may pick for every other file.
HWY_PUSH_ATTRIBUTES("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")
namespace assay::cpu {
namespace avx512_bf16 {

#include "kernels/common/cpu/tile-inl.h"

struct Bf16Pairs {
  using Vec = __m512;
  using Operand = __m512i;  // __m512bh has no load or broadcast of its own
  static constexpr int kLanes = 16;
  static constexpr int kVectors = 2;

  static Operand load(const std::uint32_t* units) { return _mm512_loadu_si512(units); }
  static Operand broadcast(const std::uint32_t* unit) {
    int pair;
    std::memcpy(&pair, unit, sizeof pair);  // the unit may have been written as bf16
    return _mm512_set1_epi32(pair);
  }
  static Vec multiply_add(Operand a, Operand b, Vec sum) { return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b); }
  static Vec zero() { return _mm512_setzero_ps(); }
  static Vec splat(float value) { return _mm512_set1_ps(value); }
  static Vec add(Vec x, Vec y) { return _mm512_add_ps(x, y); }
  static Vec fused_multiply_add(Vec x, Vec y, Vec z) { return _mm512_fmadd_ps(x, y, z); }
  static Vec load_c(const float* c) { return _mm512_loadu_ps(c); }
  static void store_c(float* c, Vec value) { _mm512_storeu_ps(c, value); }
  static void store_bf16(std::uint16_t* to, Vec value) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), (__m256i)_mm512_cvtneps_pbh(value));
  }
};

// 28 sums beside a row of b and a broadcast: 31 of 32 registers.
constexpr int kRows = 14;
constexpr TileSet kTiles = tile_set<Bf16Pairs>("AVX-512 BF16", 2, std::make_integer_sequence<int, kRows>());

}  // namespace avx512_bf16
}  // namespace assay::cpu
HWY_POP_ATTRIBUTES
#endif

namespace assay::cpu {

const TileSet* bf16_tiles() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
    return &avx512_bf16::kTiles;
#endif
  return nullptr;
}

}  // namespace assay::cpu
