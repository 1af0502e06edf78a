#include <gtest/gtest.h>

#include <vector>

#include "harness/measure/statistics.h"
#include "tests/harness/measure/streams.h"

namespace assay {
namespace {

template <class Draw>
std::vector<double> draw(int n, Draw&& one) {
  std::vector<double> out;
  for (int i = 0; i < n; ++i) out.push_back(one());
  return out;
}

/// Share of 200 seeds in which exactly `modes` are counted.
template <class Make>
double share_with(int modes, Make&& make) {
  int hits = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) hits += count_modes(make(seed)) == modes;
  return hits / 200.0;
}

TEST(Modes, OneOfANormal) {
  for (const int n : {30, 100, 1000})
    EXPECT_GE(share_with(1,
                         [&](std::uint64_t seed) {
                           Noise noise(seed);
                           return draw(n, [&] { return 1 + 0.01 * noise.normal(); });
                         }),
              0.97)
        << n;
}

TEST(Modes, OneOfALongTailAndOfOutliers) {
  EXPECT_GE(share_with(1,
                       [](std::uint64_t seed) {
                         Noise noise(seed);
                         return draw(200, [&] { return std::exp(0.3 * noise.normal()); });
                       }),
            0.95);
  EXPECT_GE(share_with(1,
                       [](std::uint64_t seed) {
                         Noise noise(seed);
                         return draw(200, [&] {
                           return noise.uniform() < 0.03 ? 1.1 + noise.uniform() : 1 + 0.01 * noise.normal();
                         });
                       }),
            0.95);
}

TEST(Modes, TwoAndThreeThatAreApart) {
  EXPECT_GE(share_with(2,
                       [](std::uint64_t seed) {
                         Noise noise(seed);
                         return draw(100, [&] { return (noise.uniform() < 0.7 ? 1 : 1.1) + 0.01 * noise.normal(); });
                       }),
            0.97);
  EXPECT_GE(share_with(3,
                       [](std::uint64_t seed) {
                         Noise noise(seed);
                         return draw(300,
                                     [&] { return 1 + 0.2 * std::floor(3 * noise.uniform()) + 0.01 * noise.normal(); });
                       }),
            0.95);
}

TEST(Modes, DegenerateSamples) {
  EXPECT_EQ(count_modes(std::vector<double>{}), 1);
  EXPECT_EQ(count_modes(std::vector<double>{1, 2, 1, 2}), 1) << "too few to tell";
  EXPECT_EQ(count_modes(std::vector<double>(100, 0.25)), 1);
  std::vector<double> two_values(100, 1.0);
  for (std::size_t i = 0; i < 100; i += 2) two_values[i] = 2.0;
  EXPECT_EQ(count_modes(two_values), 2);
}

}  // namespace
}  // namespace assay
