// A soak: the cases of each device run in turns for a long time, on all devices at once, as hot as they get.  Two
// things are asked: does the speed stay, and do the bits stay.
//
// The kernels are deterministic, so one output tells how all the others must look.  The first is compared with the fp64
// reference as every measured output is: a device that is wrong in the same way every time does not pass.  Its digest
// is then the golden one, which every later output must have, on every device of the node that computes by the same
// kernel. Outputs are poisoned before each repetition, so that a launch that writes nothing is seen, too.
#pragma once
#include "harness/runner/runner.h"

namespace assay {

/// Every case gets a record, with its Soak.  Ends when the time is over, when no case is left (each failed), or once
/// `interrupted` is set: then the result is valid and not complete.  `options.out` is written every minute meanwhile,
/// so that a machine that dies leaves what it showed until then.  InputError for several ranks, and for --resume: a
/// soak is one stretch of time.
Result soak(const Suite&, const Catalog&, const std::vector<PlannedCase>&, Machine&, Communicator&, const RunOptions&,
            Progress&, const std::atomic<bool>& interrupted);

}  // namespace assay
