// Who exchanges messages with whom, and when: rounds of disjoint pairs, so that no pair waits for another's link.
#pragma once
#include <string>
#include <utility>
#include <vector>

namespace assay {

using RankPair = std::pair<int, int>;  // the smaller rank first
using Round = std::vector<RankPair>;

/// Everybody against everybody, each pair once, by the circle method: one stays, the others move on by a place each
/// round.  An odd number has an empty place, whose partner rests: each rests once.
std::vector<Round> round_robin(const std::vector<int>& players);

/// The first pass.  On one host all ranks play; on several, the first ranks of all hosts against each other, then the
/// second ones, and so on: what is between hosts is what is looked for.  `hosts` has each rank's.
std::vector<Round> first_tournament(const std::vector<std::string>& hosts);

/// The second pass: each suspect against partners that are known to be good, the suspected pairs again, and good pairs
/// to compare with, taken from the first pass.
std::vector<Round> second_tournament(const std::vector<Round>& first, const std::vector<int>& suspects,
                                     const std::vector<RankPair>& suspected_pairs);

}  // namespace assay
