// Which cases are sampled in turns: the kernels of one point, so that ours and the yardstick see the same machine, and
// whatever else a suite wants to compare.
#pragma once
#include <vector>

#include "harness/runner/resume.h"
#include "harness/runner/runner.h"

namespace assay {

/// Indices of planned cases; each case that is not done is in exactly one group.  Groups come in the order of their
/// first cases, the cases within one in the plan's order; the same on every rank.  Alone are: cases in sustained mode,
/// whose clock is the one that a kernel settles at by itself; cases that an earlier run was cut off in, since one that
/// takes the process with it must not take others; what is skipped; and what does not fit into memory beside the
/// others.
std::vector<std::vector<std::size_t>> arrange_turns(const std::vector<PlannedCase>&, const std::vector<Todo>&, Machine&,
                                                    Communicator&);

}  // namespace assay
