#include "harness/workloads/routing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace assay {
namespace {

constexpr Routing kRoutings[] = {Routing::balanced, Routing::uneven, Routing::skewed};

TEST(Routing, SharesOutEveryToken) {
  for (const Routing routing : kRoutings)
    for (const std::int64_t groups : {1, 2, 3, 8, 16, 256})
      for (const std::int64_t total : {1, 7, 4096, 65537}) {
        const auto rows = route_tokens(routing, total, groups, 1);
        ASSERT_EQ(std::int64_t(rows.size()), groups);
        EXPECT_EQ(std::accumulate(rows.begin(), rows.end(), std::int64_t(0)), total) << int(routing) << " " << groups;
        EXPECT_GE(*std::min_element(rows.begin(), rows.end()), 0);
      }
}

TEST(Routing, DependsOnTheSeedAloneAndOnIt) {
  for (const Routing routing : {Routing::uneven, Routing::skewed}) {
    EXPECT_EQ(route_tokens(routing, 65536, 16, 5), route_tokens(routing, 65536, 16, 5));
    EXPECT_NE(route_tokens(routing, 65536, 16, 5), route_tokens(routing, 65536, 16, 6));
  }
  // Pinned: a published result must name the same rows on every machine, today and later.
  EXPECT_EQ(route_tokens(Routing::uneven, 32768, 4, 1), (std::vector<std::int64_t>{8888, 5797, 10064, 8019}));
  EXPECT_EQ(route_tokens(Routing::skewed, 32768, 8, 1),
            (std::vector<std::int64_t>{6687, 3344, 4458, 2675, 13375, 2229, 0, 0}));
}

TEST(Routing, BalancedDiffersByAtMostOne) {
  const auto rows = route_tokens(Routing::balanced, 1003, 8, 1);
  EXPECT_EQ(*std::max_element(rows.begin(), rows.end()) - *std::min_element(rows.begin(), rows.end()), 1);
}

TEST(Routing, UnevenStaysWithinItsBoundsAndUsesThem) {
  const std::int64_t mean = 4096;
  const auto rows = route_tokens(Routing::uneven, mean * 256, 256, 3);
  const auto [least, most] = std::minmax_element(rows.begin(), rows.end());
  // 0.7 and 1.3 of the mean, divided by the drawn numbers' own mean (1 +- 0.03)
  EXPECT_GE(double(*least), 0.67 * double(mean));
  EXPECT_LE(double(*most), 1.35 * double(mean));
  EXPECT_LE(double(*least), 0.75 * double(mean));
  EXPECT_GE(double(*most), 1.25 * double(mean));
}

TEST(Routing, SkewedHasEmptyExpertsAndOneThatGetsMost) {
  for (const std::int64_t groups : {4, 8, 16, 256}) {
    const auto rows = route_tokens(Routing::skewed, 65536, groups, 2);
    EXPECT_EQ(std::count(rows.begin(), rows.end(), 0), groups / 4);
    auto sorted = rows;
    std::sort(sorted.rbegin(), sorted.rend());
    EXPECT_NEAR(double(sorted[0]) / double(sorted[1]), 2, 0.01);
    EXPECT_NEAR(double(sorted[0]) / double(sorted[2]), 3, 0.01);
  }
  const auto few = route_tokens(Routing::skewed, 600, 3, 2);
  EXPECT_EQ(std::count(few.begin(), few.end(), 0), 0);
}

TEST(Routing, ParsesItsNames) {
  Routing routing{};
  EXPECT_TRUE(parse_routing("skewed", routing));
  EXPECT_EQ(routing, Routing::skewed);
  EXPECT_FALSE(parse_routing("zipf", routing));
}

}  // namespace
}  // namespace assay
