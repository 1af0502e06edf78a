#include "kernels/grouped_gemm/group_schedule.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace assay {
namespace {

/// Every group with work exactly once, none of the others.
void expect_complete(const GroupSchedule& schedule, const std::vector<double>& work, int threads) {
  ASSERT_EQ(schedule.alone.size(), std::size_t(threads));
  std::vector<int> seen = schedule.together, expected;
  for (const auto& groups : schedule.alone) seen.insert(seen.end(), groups.begin(), groups.end());
  for (int g = 0; g < int(work.size()); ++g)
    if (work[std::size_t(g)] > 0) expected.push_back(g);
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(seen, expected);
}

TEST(GroupSchedule, EveryGroupOnce) {
  for (const int threads : {1, 2, 3, 8})
    for (const std::vector<double>& work : std::vector<std::vector<double>>{
             {}, {0, 0}, {5}, {1, 1, 1, 1}, {100, 1, 0, 1, 1}, {7, 6, 5, 4, 3, 2, 1, 0, 0, 9, 8}})
      expect_complete(schedule_groups(work, threads), work, threads);
}

TEST(GroupSchedule, EqualGroupsEnoughForAllThreadsAreNotCut) {
  const GroupSchedule schedule = schedule_groups({1, 1, 1, 1, 1, 1, 1, 1}, 4);
  EXPECT_TRUE(schedule.together.empty());
  for (const auto& groups : schedule.alone) EXPECT_EQ(groups.size(), 2u);
}

TEST(GroupSchedule, ALoneGroupIsCut) { EXPECT_EQ(schedule_groups({0, 3}, 2).together, std::vector<int>{1}); }

TEST(GroupSchedule, TheLargestIsCutAndTheRestSharedOut) {
  const GroupSchedule schedule = schedule_groups({1, 40, 1, 1, 1}, 2);
  EXPECT_EQ(schedule.together, std::vector<int>{1});
  EXPECT_EQ(schedule.alone[0].size(), 2u);
  EXPECT_EQ(schedule.alone[1].size(), 2u);
}

TEST(GroupSchedule, FewerGroupsThanThreadsAreAllCut) { EXPECT_EQ(schedule_groups({2, 2}, 8).together.size(), 2u); }

}  // namespace
}  // namespace assay
