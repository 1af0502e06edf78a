// Ends processes of this host that cannot end themselves, after this one has.
#pragma once
#include <vector>

namespace assay {

/// Half a second from now, and whatever becomes of this process, those of `pids` that are still there are killed.
/// Not at once: a launcher takes the exit code of the first process that ends for the job's, and that should be ours,
/// not a signal's.  A number that meanwhile belongs to another process is left alone.
void kill_later(const std::vector<int>& pids);

}  // namespace assay
