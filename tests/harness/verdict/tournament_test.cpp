#include "harness/verdict/tournament.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <set>

namespace assay {
namespace {

void expect_disjoint(const std::vector<Round>& rounds) {
  for (const Round& round : rounds) {
    std::set<int> busy;
    for (const auto& [a, b] : round) {
      EXPECT_LT(a, b);
      EXPECT_TRUE(busy.insert(a).second && busy.insert(b).second) << a << " " << b;
    }
  }
}

std::multiset<RankPair> pairs_of(const std::vector<Round>& rounds) {
  std::multiset<RankPair> out;
  for (const Round& round : rounds) out.insert(round.begin(), round.end());
  return out;
}

TEST(Tournament, EverybodyMeetsEverybodyOnceInTheFewestRounds) {
  for (int n = 1; n <= 17; ++n) {
    std::vector<int> players(std::size_t(n), 0);
    std::iota(players.begin(), players.end(), 0);
    const auto rounds = round_robin(players);
    expect_disjoint(rounds);
    std::multiset<RankPair> all;
    for (int a = 0; a < n; ++a)
      for (int b = a + 1; b < n; ++b) all.insert({a, b});
    EXPECT_EQ(pairs_of(rounds), all) << n;
    EXPECT_EQ(int(rounds.size()), n % 2 == 0 ? n - 1 : n < 2 ? 1 : n) << n;
  }
}

// Of an odd number one rests in each round: another one each time.
TEST(Tournament, NobodyOfAnOddNumberRestsTwice) {
  std::set<int> rested;
  for (const Round& round : round_robin({0, 1, 2, 3, 4})) {
    ASSERT_EQ(round.size(), 2u);
    rested.insert(10 - round[0].first - round[0].second - round[1].first - round[1].second);
  }
  EXPECT_EQ(rested.size(), 5u);
}

TEST(Tournament, BetweenHostsRanksOfOnePlaceMeet) {
  const auto rounds = first_tournament({"a", "a", "b", "b", "c"});
  expect_disjoint(rounds);
  EXPECT_EQ(pairs_of(rounds), (std::multiset<RankPair>{{0, 2}, {0, 4}, {2, 4}, {1, 3}}));
}

TEST(Tournament, OnOneHostAllRanksMeet) {
  EXPECT_EQ(pairs_of(first_tournament({"a", "a", "a"})), (std::multiset<RankPair>{{0, 1}, {0, 2}, {1, 2}}));
}

TEST(Tournament, SuspectsMeetGoodPartnersAgain) {
  const auto first = round_robin({0, 1, 2, 3, 4, 5, 6, 7});
  const auto second = second_tournament(first, {2}, {});
  expect_disjoint(second);
  int suspect = 0, good = 0;
  for (const auto& [a, b] : pairs_of(second)) (a == 2 || b == 2 ? suspect : good) += 1;
  EXPECT_EQ(suspect, 4);
  EXPECT_EQ(good, 8);
}

TEST(Tournament, ASuspectedPairMeetsAgainAndBothMeetOthers) {
  const auto second = pairs_of(second_tournament(round_robin({0, 1, 2, 3, 4, 5}), {}, {{1, 4}}));
  EXPECT_EQ(second.count({1, 4}), 1u);
  int one = 0, four = 0;
  for (const auto& [a, b] : second) {
    one += (a == 1) != (b == 4) && (a == 1 || b == 1);
    four += (a == 4 || b == 4) && a != 1;
  }
  EXPECT_GE(one, 3);
  EXPECT_GE(four, 3);
}

}  // namespace
}  // namespace assay
