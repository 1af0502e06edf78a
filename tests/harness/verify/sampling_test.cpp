#include "harness/verify/sampling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace assay {
namespace {

using testing::Contains;

bool sorted_and_unique(const std::vector<Element>& list) {
  return std::adjacent_find(list.begin(), list.end(), [](const auto& a, const auto& b) { return !(a < b); }) ==
         list.end();
}

TEST(SampledElements, AllWhereCheap) {
  const auto list = sampled_elements(3, 5, 1000, 1);
  ASSERT_EQ(list.size(), 15u);
  EXPECT_EQ(list.front(), (Element{0, 0}));
  EXPECT_EQ(list[5], (Element{1, 0}));
  EXPECT_EQ(list.back(), (Element{2, 4}));
  EXPECT_EQ(sampled_elements(512, 512, 512, 1).size(), 512u * 512u);
  EXPECT_EQ(sampled_elements(1, 1, 1e18, 1).size(), 1u);
}

TEST(SampledElements, LargeStaysWithinTheBudgetAndTheMatrix) {
  for (const auto& [rows, columns] : {std::pair{16384, 16384}, {1000003, 257}, {1, 100000000}, {129, 1 << 24}}) {
    const auto list = sampled_elements(rows, columns, 16384, 7);
    EXPECT_LE(double(list.size()) * 16384, kCheckBudget * 1.05) << rows << "x" << columns;
    EXPECT_GE(double(list.size()) * 16384, kCheckBudget * 0.8) << rows << "x" << columns;
    EXPECT_TRUE(sorted_and_unique(list));
    for (const Element& e : list)
      ASSERT_TRUE(e.row >= 0 && e.row < rows && e.column >= 0 && e.column < columns) << e.row << "," << e.column;
    EXPECT_THAT(list, Contains(Element{rows - 1, columns - 1}));
    EXPECT_THAT(list, Contains(Element{0, 0}));
  }
}

TEST(SampledElements, EdgesOfTheFirstAndLastTilesCross) {
  const auto list = sampled_elements(1000, 20000, 1 << 20, 3);
  for (const std::int64_t i : {0, 63, 64, 127, 128, 255, 256, 767, 768, 959, 960, 999})
    for (const std::int64_t j : {0, 63, 64, 255, 256, 19967, 19968, 19999})
      EXPECT_THAT(list, Contains(Element{i, j})) << i << "," << j;
}

TEST(SampledElements, EveryRegionIsReached) {
  const auto list = sampled_elements(16384, 16384, 4096, 11);
  std::set<std::pair<std::int64_t, std::int64_t>> tiles;
  for (const Element& e : list) tiles.insert({e.row / 256, e.column / 256});
  EXPECT_EQ(tiles.size(), 64u * 64u);
}

TEST(SampledElements, TileCornersBeyondChance) {
  const auto list = sampled_elements(16384, 16384, 4096, 11);
  const auto at_edge = [](std::int64_t i) { return i % 64 == 0 || i % 64 == 63; };
  const auto corners =
      std::count_if(list.begin(), list.end(), [&](auto& e) { return at_edge(e.row) && at_edge(e.column); });
  EXPECT_GT(double(corners) / double(list.size()), 0.2);  // by chance: one in 1024
}

TEST(SampledElements, TheSeedDecides) {
  const auto a = sampled_elements(8192, 8192, 8192, 1), b = sampled_elements(8192, 8192, 8192, 1);
  EXPECT_EQ(a, b);
  EXPECT_NE(a, sampled_elements(8192, 8192, 8192, 2));
}

TEST(SampledElements, NeverEmptyHoweverDear) {
  const auto list = sampled_elements(1 << 20, 1 << 20, 1e15, 1);
  EXPECT_GE(list.size(), 100u);
  EXPECT_LE(list.size(), 400u);
}

TEST(SampledRows, AllOrASample) {
  EXPECT_EQ(sampled_rows(100, 1000, 1).size(), 100u);
  const auto rows = sampled_rows(1 << 20, 1 << 16, 5);
  EXPECT_TRUE(std::adjacent_find(rows.begin(), rows.end(), std::greater_equal<>()) == rows.end());
  EXPECT_NEAR(double(rows.size()), kCheckBudget / (1 << 16), 300);
  for (const std::int64_t i : {0, 63, 64, 127, 128, 255, 256, (1 << 20) - 1, (1 << 20) - 256})
    EXPECT_THAT(rows, Contains(i));
  EXPECT_EQ(rows, sampled_rows(1 << 20, 1 << 16, 5));
  EXPECT_NE(rows, sampled_rows(1 << 20, 1 << 16, 6));
}

}  // namespace
}  // namespace assay
