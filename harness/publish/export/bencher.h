// Bencher Metric Format: what bencher.dev tracks over time.
#pragma once
#include <string>
#include <vector>

#include "harness/publish/table/table.h"

namespace assay {

/// An object per case that is ok: latency in nanoseconds with its 95 % interval, and the rates it has, where the
/// interval is that of the time.  A case that is not ok is left out: there is no number that says so.
std::string to_bencher(const std::vector<TableRow>&);

}  // namespace assay
