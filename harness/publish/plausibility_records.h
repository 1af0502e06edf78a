// Whether records can be true by themselves and beside each other: what a forger would have to get right, too.
#pragma once
#include <string>
#include <vector>

#include "harness/record/result.h"
#include "harness/workloads/workload.h"

namespace assay {

/// Of a record: the work that its case is, and whether its kernel is a library's, as this program counts them; its
/// samples beside how they stopped, its ranks' times and its telemetry.  Problems are appended, each at `place`.
void check_record(const Record&, const Result&, const Catalog&, const std::string& place,
                  std::vector<std::string>& problems);

/// Of records beside each other: measurements that are copies, streams of one memory that are no streams of one memory,
/// cases that took longer than the run.
void check_together(const Result&, std::vector<std::string>& problems);

}  // namespace assay
