// What the two ways of accumulating 8-bit products on Hopper lose against fp64, over k.
#include "tests/kernels/gemm/hopper_fp8_accumulation.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <functional>
#include <random>
#include <vector>

#include "kernels/common/dtype.h"

namespace assay {
namespace {

struct Errors {  // root mean square over the samples, relative to that of the exact results
  double fast, two_level;
};

using Draw = std::function<double(std::mt19937&)>;

Errors errors_at(std::size_t k, DType a_type, const Draw& draw) {
  std::mt19937 generator(static_cast<unsigned>(k));
  constexpr int kSamples = 64;
  double fast = 0, two_level = 0, exact = 0;
  for (int s = 0; s < kSamples; ++s) {
    std::vector<double> a(k), b(k);
    double sum = 0;
    for (std::size_t p = 0; p < k; ++p) {
      a[p] = round_to(a_type, draw(generator)), b[p] = round_to(DType::e4m3, draw(generator));
      sum += a[p] * b[p];
    }
    fast += std::pow(HopperFp8Accumulation::fast(a, b) - sum, 2);
    two_level += std::pow(HopperFp8Accumulation::two_level(a, b) - sum, 2);
    exact += sum * sum;
  }
  return {std::sqrt(fast / exact), std::sqrt(two_level / exact)};
}

struct Distribution {
  const char* name;
  Draw draw;
};
const Distribution kDistributions[] = {
    {"normal", [](std::mt19937& g) { return std::normal_distribution<double>()(g); }},
    // All of one sign, as after a gated activation: the sum outgrows its terms, and what is cut off has one sign.
    {"uniform in [0, 1)", [](std::mt19937& g) { return std::uniform_real_distribution<double>()(g); }},
};

constexpr std::size_t kExtents[] = {32, 128, 512, 2048, 8192, 16384};

TEST(HopperFp8Accumulation, TwoLevelsKeepTheErrorFromGrowingWithK) {
  for (const DType a_type : {DType::e4m3, DType::e5m2})
    for (const Distribution& distribution : kDistributions) {
      std::printf("%s x e4m3, %s\n%8s %12s %12s\n", name(a_type), distribution.name, "k", "fast", "two-level");
      Errors at_128{}, last{};
      for (const std::size_t k : kExtents) {
        last = errors_at(k, a_type, distribution.draw);
        std::printf("%8zu %12.2e %12.2e\n", k, last.fast, last.two_level);
        if (k == 128) at_128 = last;
        if (k <= 128) {
          EXPECT_EQ(last.fast, last.two_level) << k;  // a single group: the same sum
        }
      }
      EXPECT_GT(last.fast, 8 * at_128.fast) << "hardware's accumulation alone should lose with k";
      EXPECT_LT(last.two_level, 2 * at_128.two_level) << "groups of 128 each lose the same, and partly cancel";
      EXPECT_LT(last.two_level, last.fast / 8);
    }
}

TEST(HopperFp8Accumulation, CutsWhatDeepSeekAndSageAttentionSawCut) {
  const std::vector<double> one(1, 1.0), zero(1, 0.0);
  const auto kept = [&](double accumulator) { return HopperFp8Accumulation::step(accumulator, zero, zero); };
  EXPECT_EQ(kept(1 + 0x1p-13), 1 + 0x1p-13);
  EXPECT_EQ(kept(1 + 0x1p-14), 1);                                   // the 14th bit of the mantissa is lost
  EXPECT_EQ(kept(-1 - 0x1p-13 - 0x1p-14), -1 - 0x1p-13);             // towards zero
  EXPECT_EQ(HopperFp8Accumulation::step(0x1p14, one, one), 0x1p14);  // a term 2^14 below the accumulator vanishes
  EXPECT_EQ(HopperFp8Accumulation::step(0x1p13, one, one), 0x1p13 + 1);
  const std::vector<double> terms(32, 0x1p-7), ones(32, 1.0);  // each is lost, though together they would count
  EXPECT_EQ(HopperFp8Accumulation::step(0x1p7, terms, ones), 0x1p7);
}

}  // namespace
}  // namespace assay
