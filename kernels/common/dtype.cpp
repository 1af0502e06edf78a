#include "kernels/common/dtype.h"

#include <algorithm>
#include <limits>

namespace assay {
namespace {

constexpr std::uint32_t kF32Infinity = 0x7f800000u;
constexpr std::uint32_t kF32MantissaBits = 23;
constexpr std::uint32_t kF16MantissaBits = 10;
constexpr int kExponentBiasDifference = 127 - 15;

std::uint32_t bits_of(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

float float_of(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

template <class T>
T load(const void* array, std::int64_t index) {
  T value;
  std::memcpy(&value, static_cast<const char*>(array) + index * static_cast<std::int64_t>(sizeof(T)), sizeof value);
  return value;
}

template <class T>
void store(void* array, std::int64_t index, T value) {
  std::memcpy(static_cast<char*>(array) + index * static_cast<std::int64_t>(sizeof(T)), &value, sizeof value);
}

}  // namespace

float f16_to_float(std::uint16_t bits) {
  const std::uint32_t sign = std::uint32_t(bits & 0x8000u) << 16;
  const std::uint32_t exponent = bits >> kF16MantissaBits & 0x1fu;
  const std::uint32_t mantissa = bits & 0x3ffu;
  const std::uint32_t wide_mantissa = mantissa << (kF32MantissaBits - kF16MantissaBits);
  if (exponent == 0x1f) return float_of(sign | kF32Infinity | wide_mantissa);
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24, exact in fp32
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  return float_of(sign | (exponent + kExponentBiasDifference) << kF32MantissaBits | wide_mantissa);
}

std::uint16_t float_to_f16(float value) {
  const auto sign = static_cast<std::uint16_t>(bits_of(value) >> 16 & 0x8000u);
  if (std::isnan(value)) return sign | 0x7e00u;
  const double rounded = std::abs(round_to(DType::f16, value));
  if (std::isinf(rounded)) return sign | 0x7c00u;
  if (rounded < 0x1p-14) return sign | static_cast<std::uint16_t>(rounded * 0x1p24);  // in steps of 2^-24
  const std::uint32_t bits = bits_of(static_cast<float>(rounded));
  const std::uint32_t exponent = (bits >> kF32MantissaBits) - kExponentBiasDifference;
  const std::uint32_t mantissa = bits >> (kF32MantissaBits - kF16MantissaBits) & 0x3ffu;
  return static_cast<std::uint16_t>(sign | exponent << kF16MantissaBits | mantissa);
}

double e8m0_to_double(std::uint8_t bits) {
  return bits == 0xff ? std::numeric_limits<double>::quiet_NaN() : std::ldexp(1.0, bits - 127);
}

std::uint8_t e8m0_at_least(double value) {
  int exponent;
  const double fraction = std::frexp(value, &exponent);  // value = fraction * 2^exponent, fraction in [0.5, 1)
  if (fraction == 0.5) --exponent;
  return static_cast<std::uint8_t>(std::clamp(exponent + 127, 0, 254));
}

double round_to(DType t, double value) {
  const DTypeInfo& type = info(t);
  const bool saturates = t == DType::e4m3 || t == DType::e2m1;
  const double beyond = saturates ? type.largest : std::numeric_limits<double>::infinity();
  if (std::isinf(value)) return std::copysign(beyond, value);
  if (std::isnan(value)) return value;
  if (std::abs(value) >= 2 * type.largest) return std::copysign(beyond, value);
  // The spacing of the type's numbers around `value` is 2^(exponent - (significand_bits - 1)): that of its binade,
  // never finer than the subnormals'.  Beside 1.5 * 2^52 * spacing, doubles are that far apart, so that adding it
  // rounds to a multiple of the spacing, to nearest even; subtracting it again is exact.
  std::uint64_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const int exponent = std::max(static_cast<int>(bits >> 52 & 0x7ff) - 1023, type.min_exponent);
  const int spacing = exponent - (type.significand_bits - 1);
  const std::uint64_t rounder_bits = static_cast<std::uint64_t>(spacing + 52 + 1023) << 52 | std::uint64_t{1} << 51;
  double rounder;
  std::memcpy(&rounder, &rounder_bits, sizeof rounder);
  const double rounded = std::copysign((value + rounder) - rounder, value);  // a zero keeps its sign
  return std::abs(rounded) > type.largest ? std::copysign(beyond, value) : rounded;
}

namespace {

/// The value of the small formats' bits, and the bits of a value that round_to() gave.  Exponent and mantissa fields
/// as in IEEE 754; what the formats do with the largest exponent is the callers' to say.
double small_float_value(const DTypeInfo& type, int bits) {
  const int mantissa_bits = type.significand_bits - 1;
  const int mantissa = bits & ((1 << mantissa_bits) - 1);
  const int exponent = (bits & ((1 << (type.bits - 1)) - 1)) >> mantissa_bits;
  const double magnitude =
      exponent == 0 ? std::ldexp(mantissa, type.min_exponent - mantissa_bits)
                    : std::ldexp(mantissa + (1 << mantissa_bits), exponent - 1 + type.min_exponent - mantissa_bits);
  return bits >> (type.bits - 1) & 1 ? -magnitude : magnitude;
}

int small_float_bits(const DTypeInfo& type, double value) {
  const int mantissa_bits = type.significand_bits - 1;
  const int sign = std::signbit(value) ? 1 << (type.bits - 1) : 0;
  const double magnitude = std::abs(value);
  int exponent = type.min_exponent;
  if (magnitude > 0) exponent = std::max(std::ilogb(magnitude), type.min_exponent);
  // In steps of the binade's spacing; a normal number's implicit bit carries into the exponent field by itself.
  const int steps = static_cast<int>(std::ldexp(magnitude, mantissa_bits - exponent));
  return sign | (((exponent - type.min_exponent) << mantissa_bits) + steps);
}

double e4m3_to_double(int bits) {
  return (bits & 0x7f) == 0x7f ? std::numeric_limits<double>::quiet_NaN() : small_float_value(info(DType::e4m3), bits);
}

double e5m2_to_double(int bits) {
  if ((bits & 0x7c) != 0x7c) return small_float_value(info(DType::e5m2), bits);
  if (bits & 3) return std::numeric_limits<double>::quiet_NaN();
  return bits & 0x80 ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
}

std::uint8_t to_8_bits(DType t, double rounded) {
  if (std::isnan(rounded)) return 0x7f;
  if (std::isinf(rounded)) return rounded < 0 ? 0xfc : 0x7c;  // e5m2 alone
  return static_cast<std::uint8_t>(small_float_bits(info(t), rounded));
}

void store_e2m1(void* array, std::int64_t index, double rounded) {
  auto& byte = static_cast<std::uint8_t*>(array)[index / 2];
  const int bits = small_float_bits(info(DType::e2m1), std::isnan(rounded) ? 0 : rounded);
  byte = static_cast<std::uint8_t>(index % 2 ? (byte & 0x0f) | bits << 4 : (byte & 0xf0) | bits);
}

}  // namespace

double load_element(DType t, const void* array, std::int64_t index) {
  switch (t) {
    case DType::f32:
    case DType::tf32:
      return load<float>(array, index);
    case DType::bf16:
      return bf16_to_float(load<std::uint16_t>(array, index));
    case DType::f16:
      return f16_to_float(load<std::uint16_t>(array, index));
    case DType::e4m3:
      return e4m3_to_double(load<std::uint8_t>(array, index));
    case DType::e5m2:
      return e5m2_to_double(load<std::uint8_t>(array, index));
    case DType::e2m1:
      return small_float_value(info(t), load<std::uint8_t>(array, index / 2) >> (index % 2 * 4) & 0xf);
  }
  return std::numeric_limits<double>::quiet_NaN();
}

void store_element(DType t, void* array, std::int64_t index, double value) {
  // Rounded once, from fp64: a detour over fp32 would round twice.
  const auto rounded = static_cast<float>(round_to(t, value));
  switch (t) {
    case DType::f32:
    case DType::tf32:
      return store<float>(array, index, rounded);
    case DType::bf16:
      return store<std::uint16_t>(array, index, float_to_bf16(rounded));
    case DType::f16:
      return store<std::uint16_t>(array, index, float_to_f16(rounded));
    case DType::e4m3:
    case DType::e5m2:
      return store<std::uint8_t>(array, index, to_8_bits(t, rounded));
    case DType::e2m1:
      return store_e2m1(array, index, rounded);
  }
}

}  // namespace assay
