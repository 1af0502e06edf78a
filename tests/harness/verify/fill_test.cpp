#include "harness/verify/fill.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "harness/verify/normal_quantile.h"
#include "harness/verify/random.h"

namespace assay {
namespace {

TEST(NormalQuantile, AgreesWithScipy) {  // scipy.stats.norm.ppf
  const std::pair<double, double> known[] = {{0.075, -1.4395314709384563},     {0.9, 1.2815515655446004},
                                             {1.0 / 4096, -3.487104104114431}, {1e-6, -4.753424308822899},
                                             {0x1p-33, -6.3379577545537895},   {1e-12, -7.034483825301131},
                                             {0.0749999, -1.439532177375901},  {0.3, -0.5244005127080409}};
  for (const auto& [p, x] : known) EXPECT_NEAR(normal_quantile(p), x, 1e-13 * std::abs(x)) << p;
  EXPECT_EQ(normal_quantile(0.5), 0.0);
}

TEST(RandomStream, IsSplitmix64) {
  // The first outputs of splitmix64 from state 0, as published with its reference code.
  constexpr std::uint64_t step = 0x9e3779b97f4a7c15u;
  EXPECT_EQ(mix64(step), 0xe220a8397b1dcdafu);
  EXPECT_EQ(mix64(2 * step), 0x6e789e6aa1b965f4u);
  EXPECT_EQ(RandomStream(42, 3).bits(0), 0x4e54865335a6a3bcu);
  EXPECT_EQ(RandomStream(42, 3).bits(2), 0x598c9cc2e919f054u);
}

struct Golden {
  std::int64_t index;
  float normal, uniform;
  int integer;
};

// Computed by an independent script (Python, scipy): inputs must never change silently, on any machine.
TEST(FillValue, GoldenNumbers) {
  const Golden golden[] = {{0, -0.50728554f, 0.6119544506072998f, -1},
                           {1, 0.98333085f, -0.32544481754302979f, 2},
                           {2, -0.38585556f, 0.69960355758666992f, -1},
                           {1000000, 1.3381922f, -0.18083393573760986f, 2},
                           {1099511627776, 1.4624158f, -0.14362740516662598f, 2}};
  for (const Golden& g : golden) {
    EXPECT_NEAR(fill_value(Fill::normal, 42, 3, g.index), g.normal, 3e-7) << g.index;
    EXPECT_EQ(fill_value(Fill::uniform, 42, 3, g.index), g.uniform) << g.index;
    EXPECT_EQ(fill_value(Fill::integers, 42, 3, g.index), g.integer) << g.index;
    EXPECT_EQ(fill_value(Fill::zeros, 42, 3, g.index), 0) << g.index;
  }
  EXPECT_NEAR(fill_value(Fill::normal, 42, 3, 4706), 3.7462852f, 3e-7) << "from the outermost piece";
}

TEST(FillValue, SeedTensorAndIndexAllMatter) {
  const float value = fill_value(Fill::normal, 1, 0, 0);
  EXPECT_NE(value, fill_value(Fill::normal, 2, 0, 0));
  EXPECT_NE(value, fill_value(Fill::normal, 1, 1, 0));
  EXPECT_NE(value, fill_value(Fill::normal, 1, 0, 1));
}

struct Moments {
  double mean = 0, variance = 0, fourth = 0, largest = 0;
};

Moments moments(Fill fill, std::int64_t count) {
  std::vector<float> x(static_cast<std::size_t>(count));
  fill_array(DType::f32, x.data(), count, fill, 9, 1, 1);
  Moments m;
  for (const double v : x) {
    m.mean += v / double(count);
    m.variance += v * v / double(count);
    m.fourth += v * v * v * v / double(count);
    m.largest = std::max(m.largest, std::abs(v));
  }
  return m;
}

TEST(FillArray, Distributions) {  // tolerances: 5 standard errors of a million elements
  const Moments normal = moments(Fill::normal, 1000000);
  EXPECT_NEAR(normal.mean, 0, 5e-3);
  EXPECT_NEAR(normal.variance, 1, 7.1e-3);
  EXPECT_NEAR(normal.fourth, 3, 0.05);
  EXPECT_GT(normal.largest, 4.3);
  EXPECT_LT(normal.largest, 6.4);
  const Moments uniform = moments(Fill::uniform, 1000000);
  EXPECT_NEAR(uniform.mean, 0, 2.9e-3);
  EXPECT_NEAR(uniform.variance, 1.0 / 3, 1.5e-3);
  EXPECT_LE(uniform.largest, 1.0);
  const Moments integers = moments(Fill::integers, 1000000);
  EXPECT_NEAR(integers.mean, 0, 7.1e-3);
  EXPECT_NEAR(integers.variance, 2, 8.4e-3);
  EXPECT_EQ(integers.largest, 2);
  EXPECT_EQ(moments(Fill::zeros, 1000).largest, 0);
}

TEST(FillArray, RoundsEveryTypeAsStoreElementDoes) {
  for (const DTypeInfo& type : kDTypes) {
    if (type.bits < 16) continue;  // they need scale factors: quantize.h
    const std::int64_t count = 20011;
    std::vector<unsigned char> got(static_cast<std::size_t>(count) * size_bytes(type.dtype)), expected(got.size());
    for (const Fill fill : {Fill::normal, Fill::uniform, Fill::integers, Fill::zeros}) {
      fill_array(type.dtype, got.data(), count, fill, 4, 2, 1);
      for (std::int64_t i = 0; i < count; ++i) store_element(type.dtype, expected.data(), i, fill_value(fill, 4, 2, i));
      EXPECT_EQ(got, expected) << type.name << " " << name(fill);
    }
  }
}

TEST(FillArray, WritesExactlyItsElements) {
  std::vector<float> x(20002, -99.0f);
  fill_array(DType::f32, x.data() + 1, 20000, Fill::normal, 1, 1, 1);
  EXPECT_EQ(x.front(), -99.0f);
  EXPECT_EQ(x.back(), -99.0f);
  EXPECT_EQ(std::count(x.begin(), x.end(), -99.0f), 2);
}

TEST(FillArray, ThreadsChangeNothing) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer does not see libgomp's barriers";
#endif
  std::vector<float> one(100003), three(one.size());
  fill_array(DType::f32, one.data(), std::int64_t(one.size()), Fill::normal, 5, 0, 1);
  fill_array(DType::f32, three.data(), std::int64_t(three.size()), Fill::normal, 5, 0, 3);
  EXPECT_EQ(one, three);
}

}  // namespace
}  // namespace assay
