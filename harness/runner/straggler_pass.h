// One rank's part of a pass, and how the parts of all become one.
#pragma once
#include <string>
#include <vector>

#include "harness/communicators/clock_offsets.h"
#include "harness/communicators/communicator.h"
#include "harness/verdict/stragglers.h"

namespace assay {

struct RankPass {
  struct Series {
    std::string device;
    bool compute = false;  // else of memory
    ProbeBlocks blocks;
  };
  struct Operation {
    double arrived, left;
    bool disturbed;
  };
  std::string host;
  std::vector<Series> series;
  std::vector<ClockOffset> clocks;  // of every rank
  std::vector<Operation> operations;
  std::vector<PairTimes> pairs;  // those in which this rank is the smaller one
};

/// Every rank's, in rank order, on every rank.
std::vector<RankPass> exchange_passes(Communicator&, const RankPass&);

/// Members in the order of ranks and, of a rank, of its devices; times by rank 0's clock.
StragglerPass merge(const std::vector<RankPass>&);

}  // namespace assay
