// Several devices driven at once by one process: a thread each.
#pragma once
#include <functional>
#include <vector>

namespace assay {

/// Runs all of them at the same time, the last one in the caller's thread, the others in threads that may run on every
/// core of the process.  Returns when all have; then the first error, by their order, is thrown.
void run_side_by_side(const std::vector<std::function<void()>>&);

}  // namespace assay
