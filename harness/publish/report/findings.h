// What results of the special suites say beyond their cases: stragglers, training steps, overlap, selftests.
#pragma once
#include <nlohmann/json.hpp>
#include <vector>

#include "harness/publish/report/archive.h"

namespace assay {

/// The keys "stragglers", "train_steps", "overlaps" and "selftests" of the page's data, each an array of objects that
/// name their result by "result"; empty where no result has any.
nlohmann::ordered_json report_findings(const std::vector<ReportedResult>&);

}  // namespace assay
