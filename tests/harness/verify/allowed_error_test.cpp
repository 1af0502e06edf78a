#include "harness/verify/allowed_error.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "harness/verify/fill.h"
#include "tests/kernels/gemm/hopper_fp8_accumulation.h"

namespace assay {
namespace {

TEST(AllowedError, DotProductFormula) {
  const double u32 = std::ldexp(1.0, -24), u16 = std::ldexp(1.0, -8);
  EXPECT_NEAR(dot_product_allowed(4096, 1000, DType::f32, 3, DType::f32), 2 * 64 * u32 * 1000 + u32 * 3, 1e-15);
  EXPECT_NEAR(dot_product_allowed(100, 50, DType::f32, -8, DType::bf16), 2 * 10 * u32 * 50 + u16 * 8, 1e-15);
}

TEST(AllowedError, ResultsBelowTheNormalNumbers) {
  EXPECT_EQ(dot_product_allowed(1, 0, DType::f32, 0, DType::f16), std::ldexp(1.0, -25));
  EXPECT_EQ(dot_product_allowed(1, 0, DType::f32, 0, DType::f32), std::ldexp(1.0, -126));
  EXPECT_EQ(dot_product_allowed(1, 0, DType::f32, 0, DType::bf16), std::ldexp(1.0, -126));
}

struct Dot {
  std::vector<float> a, b;
  double value = 0, magnitude = 0;
  explicit Dot(std::int64_t k, std::uint64_t seed) : a(std::size_t(k)), b(std::size_t(k)) {
    fill_array(DType::f32, a.data(), k, Fill::normal, seed, 0, 1);
    fill_array(DType::f32, b.data(), k, Fill::normal, seed, 1, 1);
    for (std::size_t p = 0; p < a.size(); ++p) {
      value += double(a[p]) * b[p];
      magnitude += std::abs(double(a[p]) * b[p]);
    }
  }
  /// Plain fp32 summation, the least accurate order a kernel has.
  float fp32(float start = 0) const {
    for (std::size_t p = 0; p < a.size(); ++p) start += a[p] * b[p];
    return start;
  }
};

TEST(AllowedError, HoldsForPlainSummationAndCatchesALostProduct) {
  int caught = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    for (const std::int64_t k : {1, 2, 3, 17, 256, 4096}) {
      const Dot dot(k, seed);
      const double allowed = dot_product_allowed(k, dot.magnitude, DType::f32, dot.value, DType::f32);
      EXPECT_LE(std::abs(dot.fp32() - dot.value), allowed) << "k=" << k << " seed=" << seed;
      if (k == 4096) caught += std::abs(double(dot.a[7]) * dot.b[7]) > 2 * allowed;
    }
  }
  EXPECT_GE(caught, 160) << "one product of 4096 must stand out of the allowed error mostly";
}

TEST(AllowedError, AccumulationInBothOrders) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    for (const std::int64_t launches : {1, 2, 10, 300, 3000}) {
      const Dot dot(64, seed);
      const float initial = 3.5f;
      float added = initial, continued = initial;
      for (std::int64_t i = 0; i < launches; ++i) {
        added += dot.fp32();
        continued = dot.fp32(continued);
      }
      const double expected = initial + double(launches) * dot.value;
      const double allowed = accumulated_allowed(64, launches, initial, dot.value, dot.magnitude, DType::f32);
      EXPECT_LE(std::abs(added - expected), allowed) << launches << " launches, seed " << seed;
      EXPECT_LE(std::abs(continued - expected), allowed) << launches << " launches, seed " << seed;
      if (launches <= 300 && std::abs(dot.value) > 1) {
        EXPECT_GT(std::abs(dot.value), 2 * allowed) << "a lost launch of " << launches << " must stand out";
      }
    }
  }
}

TEST(AllowedError, OneAccumulationIsADotProductAndItsStoring) {
  const double single = dot_product_allowed(100, 10, DType::f32, 2, DType::f32);
  const double once = accumulated_allowed(100, 1, 0, 2, 10, DType::f32);
  EXPECT_GE(once, single);
  EXPECT_LE(once, 3 * single);
}

TEST(CoarseSum, IsNothingForFp32) { EXPECT_EQ(coarse_sum_allowed(4096, 1000, {}), 0); }

TEST(CoarseSum, Formula) {
  // One run of 256: 8 steps and one more, and a walk of 2 sqrt(256 / 3); sums up to 4 / 16 of the magnitude.
  const double units = 9 + 2 * std::sqrt(256.0 / 3);
  EXPECT_NEAR(coarse_sum_allowed(256, 1000, {14, 32, 0}), units * 250 / 8192, 1e-12);
  EXPECT_NEAR(coarse_sum_allowed(256, 1000, {14, 32, 512}), units * 250 / 8192, 1e-12);
  // 16 runs of 256 with a 16th of the magnitude each, which walk: 2 sqrt(16) of them.
  EXPECT_NEAR(coarse_sum_allowed(4096, 16000, {14, 32, 256}), 8 * units * 250 / 8192, 1e-12);
}

struct WorstRatio {
  double fast = 0, two_level = 0;
};

/// The worst error of the emulated tensor core over what is allowed, over many dot products of 8-bit numbers.
WorstRatio worst_ratio(std::int64_t k, Fill fill, double scale) {
  WorstRatio worst;
  for (std::uint64_t seed = 0; seed < 64; ++seed) {
    std::vector<double> a, b;
    double exact = 0, magnitude = 0;
    for (std::int64_t p = 0; p < k; ++p) {
      a.push_back(round_to(DType::e4m3, scale * fill_value(fill, seed, 0, p)));
      b.push_back(round_to(DType::e4m3, scale * fill_value(fill, seed, 1, p)));
      exact += a.back() * b.back();
      magnitude += std::abs(a.back() * b.back());
    }
    const auto ratio = [&](double got, std::int64_t run) {
      return std::abs(got - exact) / (coarse_sum_allowed(k, magnitude, hopper_8_bit_accumulation(run)) +
                                      dot_product_allowed(k, magnitude, DType::f32, exact, DType::f32));
    };
    worst.fast = std::max(worst.fast, ratio(HopperFp8Accumulation::fast(a, b), 0));
    worst.two_level = std::max(worst.two_level, ratio(HopperFp8Accumulation::two_level(a, b), 128));
  }
  return worst;
}

// At most half of what is allowed, so that a chip that cuts a little otherwise passes; at least a hundredth, so that
// the allowance means something.
TEST(CoarseSum, HoldsForHoppersTensorCoresAndIsNotFarAboveThem) {
  for (const Fill fill : {Fill::normal, Fill::uniform})
    for (const std::int64_t k : {32, 128, 200, 512, 4096, 16384}) {
      const WorstRatio worst = worst_ratio(k, fill, 100);
      EXPECT_LE(worst.fast, 0.5) << name(fill) << " " << k;
      EXPECT_LE(worst.two_level, 0.5) << name(fill) << " " << k;
      EXPECT_GE(worst.fast, 0.01) << name(fill) << " " << k;
      EXPECT_GE(worst.two_level, 0.01) << name(fill) << " " << k;
    }
}

TEST(CoarseSum, ABlockThatIsMissingStandsOut) {
  // 128 products of normal numbers sum to about 11; those of all 4096 to 64, of magnitude 4096 * 2 / pi.
  const double magnitude = 4096 * 0.6366;
  EXPECT_LT(coarse_sum_allowed(4096, magnitude, hopper_8_bit_accumulation(128)), 11.0 / 8);
  EXPECT_LT(coarse_sum_allowed(4096, magnitude, hopper_8_bit_accumulation(0)), 11.0 / 2);
}

}  // namespace
}  // namespace assay
