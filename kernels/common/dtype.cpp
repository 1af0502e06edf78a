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

double round_to(DType t, double value) {
  if (!std::isfinite(value)) return value;
  const DTypeInfo& type = info(t);
  if (std::abs(value) >= 2 * type.largest) return std::copysign(std::numeric_limits<double>::infinity(), value);
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
  if (std::abs(rounded) > type.largest) return std::copysign(std::numeric_limits<double>::infinity(), value);
  return rounded;
}

double load_element(DType t, const void* array, std::int64_t index) {
  switch (t) {
    case DType::f32:
    case DType::tf32:
      return load<float>(array, index);
    case DType::bf16:
      return bf16_to_float(load<std::uint16_t>(array, index));
    case DType::f16:
      return f16_to_float(load<std::uint16_t>(array, index));
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
  }
}

}  // namespace assay
