// How Hopper's tensor cores add 8-bit products, emulated; to show what that costs against fp64.  Not bit-exact: the
// order of additions inside the unit is not documented.
//
// One wgmma step adds 32 products to the accumulator.  Products are exact; they and the accumulator are aligned to the
// largest exponent among them by shifting right, and what falls below kFractionBits bits after the leading one is cut
// off.  The accumulator keeps as many bits.  Sources, all measurements, since Nvidia documents none of it:
//   DeepSeek-V3 technical report (arXiv 2412.19437), 3.5.2: "only uses the highest 14 bits of each mantissa product
//     after sign-fill right shifting, and truncates bits exceeding this range"; the leading one is the 14th bit here;
//   SageAttention2 (arXiv 2411.10958), 3.3: the accumulator of mma f32.f8.f8.f32 on Ada and Hopper has 1 sign, 8
//     exponent and 13 mantissa bits; lower bits of a given accumulator are zeroed;
//   DeepGEMM's discussion 37: 22 bits per 128 of k, then fp32.
#pragma once
#include <algorithm>
#include <cmath>
#include <span>

namespace assay {

struct HopperFp8Accumulation {
  static constexpr int kStep = 32;          // k of one wgmma
  static constexpr int kFractionBits = 13;  // below the leading one

  /// The accumulator after one step over at most kStep products.
  static double step(double accumulator, std::span<const double> a, std::span<const double> b) {
    int exponent = exponent_of(accumulator);
    for (std::size_t i = 0; i < a.size(); ++i)
      if (a[i] != 0 && b[i] != 0) exponent = std::max(exponent, exponent_of(a[i]) + exponent_of(b[i]));
    if (exponent == kNone) return 0;
    const int unit = exponent - kFractionBits;
    double sum = cut(accumulator, unit);
    for (std::size_t i = 0; i < a.size(); ++i) sum += cut(a[i] * b[i], unit);
    return sum == 0 ? 0 : cut(sum, exponent_of(sum) - kFractionBits);
  }

  /// Everything in the tensor core ("fast accumulation").
  static double fast(std::span<const double> a, std::span<const double> b) {
    double accumulator = 0;
    for (std::size_t k = 0; k < a.size(); k += kStep)
      accumulator = step(accumulator, part(a, k, kStep), part(b, k, kStep));
    return accumulator;
  }

  /// 128 of k in the tensor core, those sums in fp32.
  static double two_level(std::span<const double> a, std::span<const double> b) {
    float sum = 0;
    for (std::size_t k = 0; k < a.size(); k += 128) sum += static_cast<float>(fast(part(a, k, 128), part(b, k, 128)));
    return sum;
  }

 private:
  static constexpr int kNone = -10000;
  static int exponent_of(double x) { return x == 0 ? kNone : std::ilogb(x); }
  static double cut(double x, int unit) { return std::ldexp(std::trunc(std::ldexp(x, -unit)), unit); }
  static std::span<const double> part(std::span<const double> v, std::size_t first, std::size_t count) {
    return v.subspan(first, std::min(count, v.size() - first));
  }
};

}  // namespace assay
