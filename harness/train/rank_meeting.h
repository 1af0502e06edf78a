// How the ranks of a communicator meet before a library connects them.
#pragma once
#include <memory>

#include "harness/communicators/communicator.h"
#include "kernels/collectives/collectives.h"

namespace assay {

/// For operations among the communicator's processes, which outlives it; null where this is one process alone.
/// Operations that are given the same one share what is made for them.
std::shared_ptr<RankMeeting> make_rank_meeting(Communicator&);

}  // namespace assay
