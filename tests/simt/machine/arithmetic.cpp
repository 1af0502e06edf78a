#include "tests/simt/machine/arithmetic.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace simt {

float f16_to_f32(std::uint16_t h) {
  const std::uint32_t sign = std::uint32_t(h >> 15) << 31, exponent = h >> 10 & 31, mantissa = h & 1023;
  if (exponent == 31) return bits_to_f32(sign | 0x7f800000 | mantissa << 13);
  if (exponent) return bits_to_f32(sign | (exponent + 112) << 23 | mantissa << 13);  // 112 = 127 - 15
  const float f = std::ldexp(float(mantissa), -24);
  return sign ? -f : f;
}

std::uint16_t f32_to_f16(float f) { return f64_to_f16(f); }

/// `value` to nearest even with `explicit_bits` of mantissa and the smallest normal number 2^min_exponent.
static double round_to_format(double value, int explicit_bits, int min_exponent) {
  if (value == 0 || !std::isfinite(value)) return value;
  const int unit = std::max(std::ilogb(value), min_exponent) - explicit_bits;
  return std::ldexp(std::nearbyint(std::ldexp(value, -unit)), unit);
}

std::uint16_t f64_to_f16(double value) {
  const std::uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  if (std::isnan(value)) return 0x7fff;
  const double magnitude = std::fabs(round_to_format(value, 10, -14));
  if (magnitude > 65504) return sign | 0x7c00;
  if (magnitude < 0x1p-14) return sign | std::uint16_t(std::ldexp(magnitude, 24));
  const int exponent = std::ilogb(magnitude);
  return sign | std::uint16_t((exponent + 15) << 10 | (int(std::ldexp(magnitude, 10 - exponent)) & 1023));
}

std::uint16_t f64_to_bf16(double value) {
  if (std::isnan(value)) return 0x7fff;
  const double rounded = round_to_format(value, 7, -126);
  return std::uint16_t(f32_to_bits(float(rounded)) >> 16);  // exact, or infinity
}

float small_to_f32(SmallFloat format, std::uint32_t bits) {
  const std::uint32_t mantissa_mask = (1u << format.mantissa_bits) - 1,
                      exponent_mask = (1u << format.exponent_bits) - 1;
  const std::uint32_t mantissa = bits & mantissa_mask, exponent = bits >> format.mantissa_bits & exponent_mask;
  const bool negative = bits >> (format.mantissa_bits + format.exponent_bits) & 1;
  float magnitude;
  if (exponent == exponent_mask && format.specials == SmallFloat::Ieee)
    magnitude = mantissa ? NAN : INFINITY;
  else if (exponent == exponent_mask && mantissa == mantissa_mask && format.specials == SmallFloat::OneNan)
    magnitude = NAN;
  else if (exponent == 0)
    magnitude = std::ldexp(float(mantissa), 1 - format.bias - format.mantissa_bits);
  else
    magnitude = std::ldexp(float(mantissa + mantissa_mask + 1), int(exponent) - format.bias - format.mantissa_bits);
  return negative ? -magnitude : magnitude;
}

float e8m0_to_f32(std::uint8_t bits) { return bits == 0xff ? NAN : std::ldexp(1.0f, int(bits) - 127); }

/// All 256 values: an operand's tile is thousands of them.
static std::array<float, 256> table_of(SmallFloat format) {
  std::array<float, 256> values;
  for (std::uint32_t bits = 0; bits < 256; ++bits) values[bits] = small_to_f32(format, bits);
  return values;
}

float mma_element(MmaType type, std::uint32_t bits) {
  static const std::array<float, 256> e4m3 = table_of(kE4m3), e5m2 = table_of(kE5m2);
  switch (type) {
    case MmaType::bf16:
      return bf16_to_f32(std::uint16_t(bits));
    case MmaType::f16:
      return f16_to_f32(std::uint16_t(bits));
    case MmaType::e4m3:
      return e4m3[bits & 255];
    case MmaType::e5m2:
      return e5m2[bits & 255];
    case MmaType::tf32:
      break;
  }
  return bits_to_f32(bits & ~0x1fffu);
}

__attribute__((target_clones("arch=haswell", "default")))  // AVX2 where there is, fused where there is
void multiply_add(float* d, const float* a, const float* b, int m, int n, int k) {
  for (int i = 0; i < m; ++i)
    for (int p = 0; p < k; ++p) {
      const float x = a[i * k + p];
      for (int j = 0; j < n; ++j) d[i * n + j] += x * b[p * n + j];
    }
}

void mma_m16n8(MmaShape s, const std::uint32_t (*a)[4], const std::uint32_t (*b)[2], const float (*c)[4],
               float (*d)[4]) {
  const int per = s.per_register();
  float A[16][16], B[16][8], C[16][8];
  for (int lane = 0; lane < 32; ++lane) {
    const int group = lane / 4, t = lane % 4 * per;
    for (int e = 0; e < per; ++e) {
      for (int r = 0; r < s.a_registers(); ++r)  // registers alternate between rows g and g + 8
        A[group + r % 2 * 8][t + e + r / 2 * 4 * per] = mma_element(s.type, a[lane][r] >> 16 * e);
      for (int r = 0; r < s.b_registers(); ++r)
        B[t + e + r * 4 * per][group] = mma_element(s.type, b[lane][r] >> 16 * e);
    }
    for (int i = 0; i < 4; ++i) C[group + i / 2 * 8][lane % 4 * 2 + i % 2] = c[lane][i];
  }
  for (int m = 0; m < 16; ++m)
    for (int k = 0; k < s.k; ++k)
      for (int n = 0; n < 8; ++n) C[m][n] += A[m][k] * B[k][n];
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < 4; ++i) d[lane][i] = C[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
}

}  // namespace simt
