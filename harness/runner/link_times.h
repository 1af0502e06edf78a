// How long messages between two ranks take, all pairs of a round at once.
#pragma once
#include <functional>
#include <vector>

#include "harness/communicators/communicator.h"
#include "harness/verdict/stragglers.h"

namespace assay {

/// Collective.  Of this rank's pairs those in which it is the smaller rank, in the order of rounds.  Each message's
/// content is checked: an Error with wrong_numbers where it came otherwise than it was sent.
std::vector<PairTimes> time_pairs(Communicator&, const std::vector<Round>&, std::size_t bytes,
                                  const std::function<double()>& now);

}  // namespace assay
