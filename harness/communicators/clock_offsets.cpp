#include "harness/communicators/clock_offsets.h"

#include <cmath>
#include <cstdlib>

#include <fmt/format.h>

namespace assay {
namespace {

constexpr int kCrossings = 32;  // a few are disturbed, and the first opens the connection

CrossedMessages cross(Communicator& ranks, int other, const std::function<double()>& now) {
  const bool first = ranks.rank() == 0, at_it = first || ranks.rank() == other;
  const int peer = !at_it ? -1 : first ? other : 0;
  double left = now(), peer_left = 0;
  ranks.exchange(&left, peer, &peer_left, peer, sizeof left);
  double mine = now() - peer_left, theirs = 0;  // apparent delay of the message that came here, and there
  ranks.exchange(&mine, peer, &theirs, peer, sizeof mine);
  return first ? CrossedMessages{theirs, mine} : CrossedMessages{mine, theirs};
}

}  // namespace

ClockOffset offset_of(const std::vector<CrossedMessages>& crossed) {
  const CrossedMessages* fastest = &crossed.front();
  for (const auto& one : crossed)
    if (one.there + one.back < fastest->there + fastest->back) fastest = &one;
  ClockOffset out{(fastest->there - fastest->back) / 2, (fastest->there + fastest->back) / 2};
  if (std::abs(out.seconds) <= out.uncertainty) out.seconds = 0;
  return out;
}

std::vector<ClockOffset> find_clock_offsets(Communicator& ranks, const std::function<double()>& now) {
  std::vector<ClockOffset> out(1);
  for (int other = 1; other < ranks.size(); ++other) {
    std::vector<CrossedMessages> crossed;
    for (int i = 0; i < kCrossings; ++i) crossed.push_back(cross(ranks, other, now));
    out.push_back(offset_of(crossed));
  }
  // Rank 0 and the rank in question know; all shall.
  for (auto& one : out) {
    one.seconds = ranks.broadcast(one.seconds);
    one.uncertainty = ranks.broadcast(one.uncertainty);
  }
  return out;
}

}  // namespace assay
