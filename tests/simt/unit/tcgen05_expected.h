// Where operands, results and scale factors of tcgen05.mma lie, written out from the PTX ISA.
#pragma once
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/simt/unit/tcgen05_product.h"

namespace simt::test {

// ---------------------------------------------------------------- element types
struct Format {
  const char* name;
  int bits, exponent_bits, mantissa_bits, bias;
  unsigned code;  // in the instruction descriptor
};
inline constexpr Format kF16{"f16", 16, 5, 10, 15, 0}, kBf16{"bf16", 16, 8, 7, 127, 1},
    kTf32{"tf32", 32, 8, 23, 127, 2}, kFp8E4m3{"e4m3", 8, 4, 3, 7, 0}, kFp8E5m2{"e5m2", 8, 5, 2, 15, 1},
    kFp4{"e2m1", 4, 2, 1, 1, 1};

inline std::uint32_t encode(const Format& f, double value) {  // of a small number that the format holds
  const std::uint32_t sign = std::signbit(value) ? 1u << (f.bits - 1) : 0;
  const double magnitude = std::fabs(value);
  if (magnitude == 0) return sign;
  const int exponent = std::max(std::ilogb(magnitude), 1 - f.bias);
  const auto mantissa = std::uint32_t(std::ldexp(magnitude, f.mantissa_bits - exponent));  // with the leading one
  const std::uint32_t one = 1u << f.mantissa_bits;
  return sign | (mantissa < one ? mantissa : std::uint32_t(exponent + f.bias) << f.mantissa_bits | (mantissa - one));
}

// ---------------------------------------------------------------- operands in shared memory
struct Layout {
  const char* name;
  unsigned mode;  // bits 61-63 of the descriptor
  int span;       // bytes of a row of the pattern
  bool mn_major;
};
inline constexpr Layout kLayouts[] = {{"k128", 2, 128, false}, {"k64", 4, 64, false},   {"k32", 6, 32, false},
                                      {"k0", 0, 16, false},    {"mn128", 2, 128, true}, {"mn64", 4, 64, true},
                                      {"mn32", 6, 32, true},   {"mn0", 0, 16, true}};

/// Exchanges 16-byte chunks within a row: the pattern repeats every 8 rows and has span / 16 variants.
inline int swizzled(int byte, int row, int span) {
  const int variants = span / 16;
  return byte ^ (row % 8 * variants / 8) << 4;
}

struct Operand {
  Layout layout;
  int extent, k, bits;   // extent along m or n
  int leading() const {  // bytes
    if (layout.mn_major) return layout.mode ? 8 * layout.span * (k / 8) : 128 * (extent * bits / 128);
    return layout.mode ? 16 : 128 * (extent / 8);
  }
  int stride() const { return layout.mode ? 8 * layout.span : 128; }
  /// Byte of the element, and the first bit in it.
  std::pair<int, int> place(int mn, int p) const {
    if (layout.mn_major) {
      const int byte = mn * bits / 8, row = p % 8;
      if (!layout.mode) return {byte / 16 * stride() + p / 8 * leading() + row * 16 + byte % 16, 0};
      return {byte / layout.span * leading() + p / 8 * stride() + row * layout.span +
                  swizzled(byte % layout.span, row, layout.span),
              0};
    }
    const int byte = p * bits / 8, bit = p * bits % 8;
    if (!layout.mode) return {byte / 16 * leading() + mn / 8 * stride() + mn % 8 * 16 + byte % 16, bit};
    return {mn / 8 * stride() + mn % 8 * layout.span + swizzled(byte, mn, layout.span), bit};
  }
  int bytes() const { return (extent * k * bits / 8 + 1023) / 1024 * 1024; }
  std::uint64_t descriptor(int start) const {
    return std::uint64_t(start >> 4) | std::uint64_t(leading() >> 4) << 16 | std::uint64_t(stride() >> 4) << 32 |
           std::uint64_t(1) << 46 | std::uint64_t(layout.mode) << 61;
  }
  /// From one product to the next, 32 bytes of k further (or as many elements), in descriptor units.
  std::uint64_t step() const {
    const int elements = 256 / bits;
    if (layout.mn_major) return std::uint64_t(elements / 8 * (layout.mode ? stride() : leading()) >> 4);
    return std::uint64_t(layout.mode ? 32 : 2 * leading()) >> 4;
  }
};

inline void put(std::vector<unsigned char>& image, std::pair<int, int> place, int bits, std::uint32_t value) {
  for (int b = 0; b < bits; b += 4)  // by half bytes
    image[std::size_t(place.first + (place.second + b) / 8)] |=
        static_cast<unsigned char>((value >> b & 15) << (place.second + b) % 8);
}

// ---------------------------------------------------------------- products
struct Case {
  std::string name;
  const char* kernel;  // of tcgen05.cu
  Format format;
  int m, n, steps;
  int ctas = 1;
  Layout a{}, b{};
  bool accumulate = false;
  int sign_a = 1, sign_b = 1;
  int scale_vector = 0, scale_byte = 0;
  bool scale_is_e8m0 = false;
};
std::vector<Case> layout_cases();
std::vector<Case> shape_cases();
std::vector<Case> format_cases();
std::vector<Case> tensor_a_cases();
std::vector<Case> pair_cases();
std::vector<Case> scaled_cases();

/// What a case gives to its kernel, and D as it must be, [m][n].
struct Prepared {
  Product product;
  std::vector<unsigned char> image;  // of every CTA
  std::vector<double> expected;
};
Prepared prepare(const Case&);

/// Where element (row, column) of D lies: CTA, lane, column.
std::array<int, 3> result_place(const Case&, int row, int column);

}  // namespace simt::test
