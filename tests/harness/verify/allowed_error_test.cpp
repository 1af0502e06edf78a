#include "harness/verify/allowed_error.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "harness/verify/fill.h"

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

}  // namespace
}  // namespace assay
