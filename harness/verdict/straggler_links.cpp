// Slow connections among pairs.
//
// A rank's score is the median of its pairs over the median of the pairs without it: so its own slowness does not raise
// what it is compared with, even where there are three ranks.  The worst is taken out with its pairs, and the rest are
// looked at again.
#include <algorithm>
#include <map>
#include <optional>

#include "harness/verdict/straggler_evidence.h"
#include "harness/verdict/stragglers.h"

namespace assay {
namespace {

/// Between hosts.  Congestion that comes and goes stays below it in a low quantile; half a link's lanes do not.
constexpr double kSlowLink = 1.25;
/// Within a host a message goes through caches and memory, and two cores may be near or far: the hypervisor of a
/// virtual machine moves them, and bandwidth two- to sixfold with it.  Only what is beyond that accuses anything.
constexpr double kSlowOnOneHost = 8;
constexpr double kMostPairs = 2.0 / 3;  // of a rank's, that are slow where its own link is
constexpr std::size_t kLeastPairs = 3;  // one pair more than what is accused

struct Seen {
  RankPair ranks;
  double seconds;
};

bool has(const Seen& pair, int rank) { return pair.ranks.first == rank || pair.ranks.second == rank; }

template <class Keep>
std::vector<double> seconds_of(const std::vector<Seen>& pairs, const Keep& keep) {
  std::vector<double> out;
  for (const Seen& pair : pairs)
    if (keep(pair)) out.push_back(pair.seconds);
  return out;
}

std::optional<SlowLinks::Node> slow_node(const std::vector<Seen>& pairs, int rank, double limit) {
  const auto mine = seconds_of(pairs, [&](const Seen& pair) { return has(pair, rank); });
  const auto others = seconds_of(pairs, [&](const Seen& pair) { return !has(pair, rank); });
  if (mine.size() < 2 || others.empty()) return std::nullopt;
  const double usual = median_of(others);
  const auto slow = std::count_if(mine.begin(), mine.end(), [&](double one) { return one >= limit * usual; });
  if (double(slow) < kMostPairs * double(mine.size())) return std::nullopt;
  return SlowLinks::Node{rank, median_of(mine) / usual - 1, int(mine.size()), int(slow)};
}

std::optional<SlowLinks::Node> worst_node(const std::vector<Seen>& pairs, double limit) {
  std::optional<SlowLinks::Node> worst;
  std::map<int, bool> looked;
  for (const Seen& pair : pairs)
    for (const int rank : {pair.ranks.first, pair.ranks.second}) {
      if (looked[rank]) continue;
      looked[rank] = true;
      const auto node = slow_node(pairs, rank, limit);
      if (node && (!worst || node->slowdown > worst->slowdown)) worst = node;
    }
  return worst;
}

void look(std::vector<Seen> pairs, double limit, SlowLinks& found) {
  while (const auto node = worst_node(pairs, limit)) {
    found.nodes.push_back(*node);
    std::erase_if(pairs, [&](const Seen& pair) { return has(pair, node->rank); });
  }
  for (const Seen& pair : pairs) {
    const auto others = seconds_of(pairs, [&](const Seen& other) { return other.ranks != pair.ranks; });
    if (others.size() + 1 < kLeastPairs) continue;
    if (const double ratio = pair.seconds / median_of(others); ratio >= limit)
      found.pairs.push_back({pair.ranks, ratio - 1});
  }
}

}  // namespace

SlowLinks find_slow_links(const StragglerPass& pass) {
  std::map<int, std::string> hosts;
  for (const auto& member : pass.members) hosts[member.rank] = member.host;
  std::vector<Seen> within, between;
  for (const auto& pair : pass.pairs) {
    if (pair.seconds.empty()) continue;
    const bool same = hosts[pair.ranks.first] == hosts[pair.ranks.second];
    (same ? within : between).push_back({pair.ranks, low(pair.seconds)});
  }
  SlowLinks found;
  if (within.size() < kLeastPairs && between.size() < kLeastPairs) {
    found.not_judged = "fewer than three pairs of ranks: nothing to compare a pair with";
    return found;
  }
  if (within.size() >= kLeastPairs) look(within, kSlowOnOneHost, found);
  if (between.size() >= kLeastPairs) look(between, kSlowLink, found);
  return found;
}

}  // namespace assay
