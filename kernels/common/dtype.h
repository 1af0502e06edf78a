// Element types: their names, sizes, rounding, and conversion on the host.
// C++17: kernel sources include this.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace assay {

/// `tf32` is stored as fp32 (4 bytes) whose values carry 10 explicit mantissa bits; inputs filled as tf32 are already
/// rounded, so that every kernel and the reference multiply the same numbers.
/// `e4m3` has no infinities (S.1111.111 is NaN), `e5m2` follows IEEE 754; `e2m1` has neither infinities nor NaN (Open
/// Compute Project, "8-bit Floating Point" 1.0 and "Microscaling Formats" 1.0).
enum class DType : std::uint8_t { f32, tf32, bf16, f16, e4m3, e5m2, e2m1 };

struct DTypeInfo {
  DType dtype;
  const char* name;
  int bits;              // in memory
  int significand_bits;  // implicit bit included
  int min_exponent;      // of the smallest normal number: 2^min_exponent
  double largest;        // finite
};

inline constexpr DTypeInfo kDTypes[] = {
    {DType::f32, "f32", 32, 24, -126, 3.4028234663852886e38},
    {DType::tf32, "tf32", 32, 11, -126, 3.4011621342146535e38},
    {DType::bf16, "bf16", 16, 8, -126, 3.3895313892515355e38},
    {DType::f16, "f16", 16, 11, -14, 65504.0},
    {DType::e4m3, "e4m3", 8, 4, -6, 448.0},
    {DType::e5m2, "e5m2", 8, 3, -14, 57344.0},
    {DType::e2m1, "e2m1", 4, 2, 0, 6.0},
};

constexpr const DTypeInfo& info(DType t) { return kDTypes[static_cast<int>(t)]; }
constexpr const char* name(DType t) { return info(t).name; }
/// Of one element; two e2m1 share a byte, so that their arrays need storage_bytes().
constexpr std::size_t size_bytes(DType t) { return static_cast<std::size_t>((info(t).bits + 7) / 8); }
/// Of an array of `count` elements.  Of two e2m1 in a byte, the one with the even index has the low four bits.
constexpr std::int64_t storage_bytes(DType t, std::int64_t count) { return (count * info(t).bits + 7) / 8; }

/// Half the distance from 1 to the next number: the largest relative error of one rounding to nearest.
inline double unit_roundoff(DType t) { return std::ldexp(1.0, -info(t).significand_bits); }

/// False where no element type has that name.
inline bool parse_dtype(std::string_view text, DType& out) {
  for (const auto& i : kDTypes)
    if (text == i.name) return out = i.dtype, true;
  return false;
}

/// bf16 is the upper half of an fp32.
inline float bf16_to_float(std::uint16_t bits) {
  const std::uint32_t wide = std::uint32_t(bits) << 16;
  float value;
  std::memcpy(&value, &wide, 4);
  return value;
}

inline std::uint16_t float_to_bf16(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, 4);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fff;  // NaN stays NaN: rounding could carry it into infinity
  return std::uint16_t((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

float f16_to_float(std::uint16_t bits);
std::uint16_t float_to_f16(float value);

/// Scale factors of block-scaled formats: 2^(bits - 127); 0xff is NaN.
double e8m0_to_double(std::uint8_t bits);
/// The smallest power of two that is at least `value` (> 0), limited to what e8m0 holds.
std::uint8_t e8m0_at_least(double value);

/// `value` rounded to nearest even in `t` (subnormals included), as a double.  Beyond the largest number: infinity, but
/// e4m3 and e2m1, which have none, saturate, as conversions on GPUs do (cvt.satfinite).
double round_to(DType t, double value);

/// Element `index` of an array of `t`, and its assignment (rounded).
double load_element(DType t, const void* array, std::int64_t index);
void store_element(DType t, void* array, std::int64_t index, double value);

}  // namespace assay
