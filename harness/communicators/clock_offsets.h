// How far the ranks' clocks are apart, found by messages: rank 0 with each of the others in turn.
//
// A message carries the moment at which it left.  Two that cross give two differences of the two clocks,
//   there: arrived on rank r - left on rank 0 = delay + offset        back: arrived on rank 0 - left on rank r = delay
//   - offset
// so that the offset is half their difference, and what they have too much together is at most what it may be wrong by.
// A message that waited for its receiver looks delayed on one way only; of several pairs the fastest is taken.
//
// On one host the steady clock is one clock: what is found there is nothing but delay, and counts as 0 unless it is
// more than that (a container may have a clock of its own).
#pragma once
#include <functional>
#include <vector>

#include "harness/communicators/communicator.h"

namespace assay {

struct ClockOffset {
  double seconds = 0;      // the rank's clock less rank 0's
  double uncertainty = 0;  // it is right to within this
};

/// Of one pair of messages that crossed.
struct CrossedMessages {
  double there = 0, back = 0;  // apparent delays, offset included
};
/// The fastest pair's.  `crossed` is not empty.
ClockOffset offset_of(const std::vector<CrossedMessages>& crossed);

/// Of every rank, on every rank; rank 0's is 0.  Collective.
std::vector<ClockOffset> find_clock_offsets(Communicator&, const std::function<double()>& now);

}  // namespace assay
