// Each device alone, and then all of them at once: what the devices of a node take from each other (power, cooling,
// memory, a shared cache).  A GPU node's devices are its GPUs, a CPU's are its cores.
#pragma once
#include <string>
#include <vector>

#include "harness/runner/runner.h"

namespace assay {

/// Of each case and device two records: alone, and with `together` devices in its id.  While all are measured nobody
/// rests: who has samples enough keeps launching until the last one has.  Once `interrupted` is set the case at hand is
/// finished and the result is not complete.  InputError for several ranks, and for --resume.
Result together(const Suite&, const Catalog&, const std::vector<PlannedCase>&, Machine&, Communicator&,
                const RunOptions&, Progress&, const std::atomic<bool>& interrupted);

}  // namespace assay
