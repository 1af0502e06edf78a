// Conversions between element types: every pattern of 16 bits and fewer, and fp32 and fp64 values around every rounding
// boundary.
#include "kernels/common/dtype.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace assay {
namespace {

const double kInfinity = std::numeric_limits<double>::infinity();

double f16_by_definition(std::uint16_t bits) {
  const int exponent = bits >> 10 & 0x1f, mantissa = bits & 0x3ff;
  const double sign = bits & 0x8000 ? -1 : 1;
  if (exponent == 31) return mantissa != 0 ? std::nan("") : sign * kInfinity;
  if (exponent == 0) return sign * std::ldexp(mantissa, -24);
  return sign * std::ldexp(1024 + mantissa, exponent - 25);
}

TEST(F16, EveryPatternIsWhatTheFormatDefinesAndReturns) {
  for (std::uint32_t pattern = 0; pattern < 0x10000; ++pattern) {
    const auto bits = static_cast<std::uint16_t>(pattern);
    const double expected = f16_by_definition(bits);
    const float value = f16_to_float(bits);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(value)) << pattern;
      EXPECT_TRUE(std::isnan(f16_to_float(float_to_f16(value)))) << pattern;
      continue;
    }
    ASSERT_EQ(value, expected) << pattern;
    ASSERT_EQ(std::signbit(value), (bits & 0x8000) != 0) << pattern;
    ASSERT_EQ(float_to_f16(value), bits) << pattern;
  }
}

double e4m3_by_definition(int bits) {
  const int exponent = bits >> 3 & 0xf, mantissa = bits & 7;
  const double sign = bits & 0x80 ? -1 : 1;
  if (exponent == 15 && mantissa == 7) return std::nan("");
  return sign * (exponent == 0 ? mantissa / 8.0 * std::exp2(-6) : (1 + mantissa / 8.0) * std::exp2(exponent - 7));
}

double e5m2_by_definition(int bits) {
  const int exponent = bits >> 2 & 0x1f, mantissa = bits & 3;
  const double sign = bits & 0x80 ? -1 : 1;
  if (exponent == 31) return mantissa != 0 ? std::nan("") : sign * kInfinity;
  return sign * (exponent == 0 ? mantissa / 4.0 * std::exp2(-14) : (1 + mantissa / 4.0) * std::exp2(exponent - 15));
}

double e2m1_by_definition(int bits) {
  constexpr double kMagnitudes[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};  // the whole format
  return bits & 8 ? -kMagnitudes[bits & 7] : kMagnitudes[bits & 7];
}

using Definition = double (*)(int);

void every_pattern_of_8_bits(DType type, Definition defined) {
  for (int pattern = 0; pattern < 0x100; ++pattern) {
    const auto bits = static_cast<std::uint8_t>(pattern);
    const double expected = defined(pattern), value = load_element(type, &bits, 0);
    std::uint8_t stored = 0x55;
    store_element(type, &stored, 0, value);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(value)) << pattern;
      EXPECT_TRUE(std::isnan(defined(stored))) << pattern;
      continue;
    }
    ASSERT_EQ(value, expected) << pattern;
    ASSERT_EQ(std::signbit(value), std::signbit(expected)) << pattern;
    ASSERT_EQ(stored, bits) << pattern;
  }
}

TEST(E4m3, EveryPatternIsWhatTheFormatDefinesAndReturns) { every_pattern_of_8_bits(DType::e4m3, e4m3_by_definition); }
TEST(E5m2, EveryPatternIsWhatTheFormatDefinesAndReturns) { every_pattern_of_8_bits(DType::e5m2, e5m2_by_definition); }

TEST(E2m1, EveryPatternOfBothHalvesOfAByte) {
  for (int pattern = 0; pattern < 0x100; ++pattern) {
    const auto byte = static_cast<std::uint8_t>(pattern);
    std::uint8_t stored = static_cast<std::uint8_t>(~pattern);
    for (const int half : {0, 1}) {  // the even index has the low four bits
      const double expected = e2m1_by_definition(half == 0 ? pattern & 0xf : pattern >> 4);
      const double value = load_element(DType::e2m1, &byte, half);
      ASSERT_EQ(value, expected) << pattern << " " << half;
      ASSERT_EQ(std::signbit(value), std::signbit(expected)) << pattern << " " << half;
      store_element(DType::e2m1, &stored, half, value);
    }
    ASSERT_EQ(stored, byte);
  }
}

TEST(E8m0, EveryPattern) {
  for (int bits = 0; bits < 0xff; ++bits) {
    const double value = e8m0_to_double(static_cast<std::uint8_t>(bits));
    ASSERT_EQ(value, std::exp2(bits - 127)) << bits;
    ASSERT_EQ(e8m0_at_least(value), bits);
    ASSERT_EQ(e8m0_at_least(value * 0.75), bits) << "the next power of two above 0.75 of one is that one";
    ASSERT_EQ(e8m0_at_least(std::nextafter(value, kInfinity)), std::min(bits + 1, 0xfe));
  }
  EXPECT_TRUE(std::isnan(e8m0_to_double(0xff)));
  EXPECT_EQ(e8m0_at_least(1e-300), 0);
  EXPECT_EQ(e8m0_at_least(1e300), 0xfe);
}

TEST(Bf16, EveryPatternReturns) {
  for (std::uint32_t pattern = 0; pattern < 0x10000; ++pattern) {
    const auto bits = static_cast<std::uint16_t>(pattern);
    const float value = bf16_to_float(bits);
    if (std::isnan(value))
      EXPECT_TRUE(std::isnan(bf16_to_float(float_to_bf16(value)))) << pattern;
    else
      ASSERT_EQ(float_to_bf16(value), bits) << pattern;
  }
}

/// Calls `test` with every finite number of a type whose positive patterns are those below `positive`, the midpoint to
/// its neighbour above, and values just beside both.
template <class Convert, class Test>
void around_boundaries(Convert convert, Test test, std::uint32_t positive = 0x8000) {
  for (std::uint32_t pattern = 0; pattern + 1 < positive; ++pattern) {
    const double low = convert(static_cast<std::uint16_t>(pattern)),
                 high = convert(static_cast<std::uint16_t>(pattern + 1));
    if (!std::isfinite(low) || !std::isfinite(high)) continue;
    const double middle = low + (high - low) / 2;
    const std::uint32_t even = pattern % 2 == 0 ? pattern : pattern + 1;
    test(low, low);
    test(middle, convert(static_cast<std::uint16_t>(even)));
    test(std::nextafter(middle, 0), low);
    test(std::nextafter(middle, kInfinity), high);
  }
}

TEST(RoundTo, NearestEvenAtEveryBoundaryOfF16) {
  around_boundaries(f16_by_definition, [](double value, double expected) {
    ASSERT_EQ(round_to(DType::f16, value), expected) << value;
    ASSERT_EQ(round_to(DType::f16, -value), -expected) << value;
    std::uint16_t stored = 0;
    store_element(DType::f16, &stored, 0, value);
    ASSERT_EQ(f16_by_definition(stored), expected) << value;
  });
}

TEST(RoundTo, NearestEvenAtEveryBoundaryOfBf16) {
  const auto convert = [](std::uint16_t bits) -> double { return bf16_to_float(bits); };
  around_boundaries(convert, [&](double value, double expected) {
    ASSERT_EQ(round_to(DType::bf16, value), expected) << value;
    std::uint16_t stored = 0;
    store_element(DType::bf16, &stored, 0, -value);
    ASSERT_EQ(convert(stored), -expected) << value;
  });
}

TEST(RoundTo, NearestEvenAtEveryBoundaryOfTheSmallFormats) {
  const struct {
    DType type;
    Definition defined;
    std::uint32_t positive;
  } formats[] = {{DType::e4m3, e4m3_by_definition, 0x80},
                 {DType::e5m2, e5m2_by_definition, 0x80},
                 {DType::e2m1, e2m1_by_definition, 0x8}};
  for (const auto& format : formats)
    around_boundaries([&](std::uint16_t bits) { return format.defined(bits); },
                      [&](double value, double expected) {
                        ASSERT_EQ(round_to(format.type, value), expected) << name(format.type) << " " << value;
                        ASSERT_EQ(round_to(format.type, -value), -expected) << name(format.type) << " " << value;
                        std::uint8_t stored = 0;
                        store_element(format.type, &stored, 0, value);
                        ASSERT_EQ(format.defined(stored), expected) << name(format.type) << " " << value;
                      },
                      format.positive);
}

TEST(RoundTo, Fp32IsTheCompilersOwnConversion) {
  std::mt19937_64 engine(1);
  for (int i = 0; i < 200000; ++i) {
    std::uint64_t bits = engine();
    double value;
    std::memcpy(&value, &bits, sizeof value);
    if (i % 2) value = std::ldexp(1 + static_cast<double>(bits >> 12) * 0x1p-52, static_cast<int>(bits % 300) - 160);
    if (std::isnan(value) || std::abs(value) >= 0x1.ffffffp127) continue;  // beyond it the cast is undefined
    ASSERT_EQ(round_to(DType::f32, value), static_cast<double>(static_cast<float>(value))) << value;
  }
}

/// What a number too large becomes: e4m3 and e2m1 have no infinity.
double beyond(const DTypeInfo& type) {
  return type.dtype == DType::e4m3 || type.dtype == DType::e2m1 ? type.largest : kInfinity;
}

TEST(RoundTo, OverflowSubnormalsAndWhatIsNoNumber) {
  for (const DTypeInfo& type : kDTypes) {
    EXPECT_EQ(round_to(type.dtype, type.largest), type.largest) << type.name;
    const double half_step = std::ldexp(type.largest, -type.significand_bits) / (2 - 2 * unit_roundoff(type.dtype));
    EXPECT_EQ(round_to(type.dtype, type.largest + 0.9 * half_step), type.largest) << type.name;
    EXPECT_EQ(round_to(type.dtype, type.largest + 2.1 * half_step), beyond(type)) << type.name;
    EXPECT_EQ(round_to(type.dtype, -3 * type.largest), -beyond(type)) << type.name;
    const double smallest = std::ldexp(1, type.min_exponent - type.significand_bits + 1);
    EXPECT_EQ(round_to(type.dtype, smallest), smallest) << type.name;
    EXPECT_EQ(round_to(type.dtype, 0.5 * smallest), 0) << type.name;
    EXPECT_EQ(round_to(type.dtype, 0.75 * smallest), smallest) << type.name;
    EXPECT_EQ(round_to(type.dtype, -1.5 * smallest), -2 * smallest) << type.name;
    EXPECT_TRUE(std::signbit(round_to(type.dtype, -0.25 * smallest))) << type.name;
    EXPECT_EQ(round_to(type.dtype, kInfinity), beyond(type)) << type.name;
    EXPECT_TRUE(std::isnan(round_to(type.dtype, std::nan("")))) << type.name;
    EXPECT_EQ(round_to(type.dtype, 1 + unit_roundoff(type.dtype)), 1) << type.name << ": a tie goes to even";
    EXPECT_EQ(round_to(type.dtype, 1 + 3 * unit_roundoff(type.dtype)), 1 + 4 * unit_roundoff(type.dtype)) << type.name;
  }
}

// A double just above a midpoint whose fp32 lies on it: rounding by way of fp32 would go down to even.
TEST(RoundTo, RoundsOnceNotTwice) {
  const double value = 1 + 0x1p-8 + 0x1p-40;
  std::uint16_t stored = 0;
  store_element(DType::bf16, &stored, 0, value);
  EXPECT_EQ(bf16_to_float(stored), 1 + 0x1p-7f);
  store_element(DType::f16, &stored, 0, 1 + 0x1p-11 + 0x1p-40);
  EXPECT_EQ(f16_to_float(stored), 1 + 0x1p-10f);
}

TEST(Elements, StoreRoundsAndLoadReturns) {
  for (const DTypeInfo& type : kDTypes) {
    if (type.bits < 8) continue;  // below: they share bytes, and have no NaN
    std::vector<std::uint8_t> array(5 * size_bytes(type.dtype), 0xee);
    store_element(type.dtype, array.data(), 3, 1.0 / 3);
    EXPECT_EQ(load_element(type.dtype, array.data(), 3), round_to(type.dtype, 1.0 / 3)) << type.name;
    EXPECT_EQ(array[3 * size_bytes(type.dtype) - 1], 0xee);
    EXPECT_EQ(array[4 * size_bytes(type.dtype)], 0xee);
    store_element(type.dtype, array.data(), 0, std::nan(""));
    EXPECT_TRUE(std::isnan(load_element(type.dtype, array.data(), 0))) << type.name;
    store_element(type.dtype, array.data(), 0, 1e300);
    EXPECT_EQ(load_element(type.dtype, array.data(), 0), beyond(type)) << type.name;
  }
}

TEST(Elements, NeighboursInAByteStayAsTheyAre) {
  EXPECT_EQ(storage_bytes(DType::e2m1, 5), 3);
  EXPECT_EQ(storage_bytes(DType::e4m3, 5), 5);
  EXPECT_EQ(storage_bytes(DType::f16, 5), 10);
  std::uint8_t array[3] = {0xee, 0xee, 0xee};
  store_element(DType::e2m1, array, 2, -1.5);
  EXPECT_EQ(array[1], 0xeb);
  store_element(DType::e2m1, array, 3, 0.5);
  EXPECT_EQ(array[1], 0x1b);
  store_element(DType::e2m1, array, 3, 1e300);
  EXPECT_EQ(load_element(DType::e2m1, array, 3), 6);
  EXPECT_EQ(load_element(DType::e2m1, array, 2), -1.5);
  store_element(DType::e2m1, array, 2, std::nan(""));
  EXPECT_EQ(load_element(DType::e2m1, array, 2), 0) << "there is no NaN to store";
  EXPECT_EQ(array[0], 0xee);
  EXPECT_EQ(array[2], 0xee);
}

#ifdef __FLT16_MAX__
TEST(F16, AgreesWithTheCompilersType) {
  // Every 4099th fp32 (a prime, so that all exponents and many mantissas come up), and all beside fp16's midpoints.
  const auto agree = [](std::uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    if (std::isnan(value)) return;
    const _Float16 expected = static_cast<_Float16>(value);
    std::uint16_t expected_bits;
    std::memcpy(&expected_bits, &expected, sizeof expected_bits);
    ASSERT_EQ(float_to_f16(value), expected_bits) << value;
  };
  for (std::uint64_t bits = 0; bits < 0x100000000u; bits += 4099) agree(static_cast<std::uint32_t>(bits));
  for (std::uint32_t high = 0; high < 0x10000000u; high += 0x1000)
    for (const std::uint32_t beside : {0u, 1u, 0xfffu}) agree(0x30000000u + high + beside);
}
#endif

TEST(DTypes, NamesParse) {
  DType t = DType::f32;
  for (const DTypeInfo& type : kDTypes) {
    ASSERT_TRUE(parse_dtype(type.name, t));
    EXPECT_EQ(t, type.dtype);
  }
  EXPECT_FALSE(parse_dtype("fp32", t));
}

}  // namespace
}  // namespace assay
