// Clearing an array of the step's: no kernel of a table.
#pragma once
#include <cstdint>
#include <functional>

#include "harness/backends/backend.h"

namespace assay {

/// Returned is what enqueues it, each time it is called; on a CPU, by the target's threads.
std::function<void()> clear_floats(float* array, std::int64_t count, Backend&);

}  // namespace assay
