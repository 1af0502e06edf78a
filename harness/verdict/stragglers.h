// Who is slow: a judgement over what every rank measured.  Pure.
//
// A collective takes all ranks equally long, so that its duration accuses nobody.  What does:
//   arrival   who comes last lets the others wait and waits least himself;
//   probes    arithmetic and a copy that every rank does alone;
//   pairs     messages between two ranks, everybody with everybody.
// A rank whose probe is slow is slow by itself, wherever it arrives and however slow its messages are (a processor
// moves them).  One whose probes are as fast as the others', and whose pairs are slow, has a slow link.  One that comes
// late without either is named for that.
//
// Against false accusations: low quantiles, since what is disturbed is slower and never faster; each probe is compared
// in blocks of time, which what lasts shorter than the measurement does not survive; an arrival late by less than
// `slower` of the work before it accuses nobody, however regular it is; and an accusation stands only where every pass
// shows at least half of it and the mean of all passes all.
#pragma once
#include <string>
#include <vector>

#include "harness/record/stragglers.h"
#include "harness/suite/suite.h"
#include "harness/verdict/tournament.h"

namespace assay {

/// Seconds of one member's probe, in blocks of time that are the same for all members; without samples during which
/// something else had the core.
using ProbeBlocks = std::vector<std::vector<double>>;

/// One collective operation: when each rank came to it and when it left it, by rank 0's clock.
struct OperationTimes {
  std::vector<double> arrived, left;
  std::vector<bool> disturbed;  // something else had that rank's core on the way to it
};

struct PairTimes {
  RankPair ranks;
  std::vector<double> seconds;  // of messages both ways at once
};

struct StragglerPass {
  std::vector<StragglerMember> members;      // a rank's device each, in the order of ranks
  std::vector<ProbeBlocks> compute, memory;  // one for each member; empty where there is no such probe
  std::vector<OperationTimes> operations;
  std::vector<double> clock_uncertainty;  // of each rank
  std::vector<PairTimes> pairs;
  std::vector<std::string> notes;
};

/// Slow connections of one pass: ranks that are slow with nearly everybody, and pairs of others.
struct SlowLinks {
  struct Node {
    int rank;
    double slowdown;
    int pairs, slow;
  };
  struct Pair {
    RankPair ranks;
    double slowdown;
  };
  std::vector<Node> nodes;
  std::vector<Pair> pairs;
  std::string not_judged;  // why
};
SlowLinks find_slow_links(const StragglerPass&);

/// What stands after these passes; members and pairs are the first one's.
StragglerReport judge_stragglers(const std::vector<StragglerPass>& passes, const StragglerRule&);

/// Whether there is somebody to be suspected, and to be looked at again.
bool needs_another_pass(const std::vector<StragglerPass>&, StragglerRule);
inline constexpr std::size_t kMostPasses = 3;

}  // namespace assay
