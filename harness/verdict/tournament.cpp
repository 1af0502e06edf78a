#include "harness/verdict/tournament.h"

#include <algorithm>
#include <map>
#include <set>

namespace assay {
namespace {

constexpr int kNobody = -1;
/// Good partners of a suspect, and good pairs: more would only take longer, fewer hang on one of them being good.
constexpr std::size_t kPartners = 4, kGoodPairs = 8;

RankPair in_order(int a, int b) { return {std::min(a, b), std::max(a, b)}; }

/// Each pair in the first round in which both are free.
std::vector<Round> into_rounds(const std::vector<RankPair>& pairs) {
  std::vector<Round> rounds;
  std::vector<std::set<int>> busy;
  for (const RankPair& pair : pairs) {
    std::size_t at = 0;
    while (at < rounds.size() && (busy[at].count(pair.first) || busy[at].count(pair.second))) ++at;
    if (at == rounds.size()) {
      rounds.emplace_back();
      busy.emplace_back();
    }
    rounds[at].push_back(pair);
    busy[at].insert({pair.first, pair.second});
  }
  return rounds;
}

}  // namespace

std::vector<Round> round_robin(const std::vector<int>& players) {
  std::vector<int> circle = players;
  if (circle.size() % 2 != 0) circle.push_back(kNobody);
  const std::size_t n = circle.size();
  std::vector<Round> rounds;
  for (std::size_t round = 0; round + 1 < n; ++round) {
    Round pairs;
    for (std::size_t i = 0; i < n / 2; ++i)
      if (circle[i] != kNobody && circle[n - 1 - i] != kNobody) pairs.push_back(in_order(circle[i], circle[n - 1 - i]));
    rounds.push_back(std::move(pairs));
    std::rotate(circle.begin() + 1, circle.end() - 1, circle.end());
  }
  return rounds;
}

std::vector<Round> first_tournament(const std::vector<std::string>& hosts) {
  std::map<std::string, int> seen;
  std::map<int, std::vector<int>> rails;  // by place on the host
  std::vector<int> all;
  for (std::size_t rank = 0; rank < hosts.size(); ++rank) {
    rails[seen[hosts[rank]]++].push_back(int(rank));
    all.push_back(int(rank));
  }
  if (seen.size() == 1) return round_robin(all);
  std::vector<Round> out;
  for (const auto& [place, players] : rails)
    for (Round& round : round_robin(players))
      if (!round.empty()) out.push_back(std::move(round));
  return out;
}

std::vector<Round> second_tournament(const std::vector<Round>& first, const std::vector<int>& suspects,
                                     const std::vector<RankPair>& suspected_pairs) {
  std::set<int> suspected(suspects.begin(), suspects.end());
  for (const RankPair& pair : suspected_pairs) suspected.insert({pair.first, pair.second});
  const std::set<RankPair> slow(suspected_pairs.begin(), suspected_pairs.end());
  std::map<int, std::size_t> partners;
  std::size_t good = 0;
  std::vector<RankPair> chosen;
  for (const Round& round : first)
    for (const RankPair& pair : round) {
      const bool a = suspected.count(pair.first) > 0, b = suspected.count(pair.second) > 0;
      bool take = slow.count(pair) > 0;
      if (!a && !b) take = good++ < kGoodPairs;
      if (a != b) take = take || partners[a ? pair.first : pair.second]++ < kPartners;
      if (take) chosen.push_back(pair);
    }
  return into_rounds(chosen);
}

}  // namespace assay
