// Number formats of the GPU on the host.
#pragma once
#include <cstdint>
#include <cstring>

namespace simt {

inline float bits_to_f32(std::uint32_t bits) {
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}
inline std::uint32_t f32_to_bits(float f) {
  std::uint32_t bits;
  std::memcpy(&bits, &f, 4);
  return bits;
}
inline float bf16_to_f32(std::uint16_t h) { return bits_to_f32(std::uint32_t(h) << 16); }
inline std::uint16_t f32_to_bf16(float f) {
  const std::uint32_t u = f32_to_bits(f);
  if ((u & 0x7fffffff) > 0x7f800000) return 0x7fff;
  return std::uint16_t((u + 0x7fff + (u >> 16 & 1)) >> 16);
}
float f16_to_f32(std::uint16_t);
std::uint16_t f32_to_f16(float);

/// One rounding to nearest even, from double.
std::uint16_t f64_to_f16(double);
std::uint16_t f64_to_bf16(double);

/// What cvt.rna.tf32.f32 leaves: 10 explicit mantissa bits, ties away from zero.
inline std::uint32_t f32_to_tf32_rna(float f) {
  const std::uint32_t u = f32_to_bits(f);
  if ((u & 0x7f800000) == 0x7f800000) return u;  // infinity and NaN
  return (u + 0x1000) & ~0x1fffu;
}

/// A binary floating-point format of at most 8 bits: sign, exponent, mantissa, from the top.
struct SmallFloat {
  int exponent_bits, mantissa_bits, bias;
  enum { Ieee, OneNan, Finite } specials;  // all exponent bits set: infinities and NaN; NaN where all bits are; numbers
};
inline constexpr SmallFloat kE4m3{4, 3, 7, SmallFloat::OneNan}, kE5m2{5, 2, 15, SmallFloat::Ieee},
    kE2m1{2, 1, 1, SmallFloat::Finite};
float small_to_f32(SmallFloat, std::uint32_t bits);  // bits above the format's are ignored
float e8m0_to_f32(std::uint8_t);                     // 2^(bits - 127); 0xff is NaN

/// What tensor cores multiply.
enum class MmaType { bf16, f16, tf32, e4m3, e5m2 };
constexpr int bytes(MmaType t) { return t == MmaType::tf32 ? 4 : t == MmaType::bf16 || t == MmaType::f16 ? 2 : 1; }

/// The element in the low bits of a register; tf32 ignores the low 13.
float mma_element(MmaType, std::uint32_t bits);

/// d[m][n] += a[m][k] b[k][n] in fp32, in the order of k.
void multiply_add(float* d, const float* a, const float* b, int m, int n, int k);

/// mma.sync of shape m16n8k{k}, fp32 accumulators; fragments per lane as the PTX ISA documents them.

struct MmaShape {
  MmaType type;
  int k;  // 8 or 16; tf32: 4 or 8
  int per_register() const { return 4 / bytes(type); }
  int a_registers() const { return 16 * k / 32 / per_register(); }
  int b_registers() const { return 8 * k / 32 / per_register(); }
};

/// d = a b + c.  a: a_registers() values per lane, b: b_registers(), c and d: 4.
void mma_m16n8(MmaShape, const std::uint32_t (*a)[4], const std::uint32_t (*b)[2], const float (*c)[4], float (*d)[4]);

}  // namespace simt
