// `assay report`: results as one HTML page that needs no network, and carries the results in it.
#pragma once
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "harness/publish/report/archive.h"
#include "harness/verdict/verdict.h"

namespace assay {

struct Report {
  std::vector<ReportedResult> results;          // whose cases are shown
  Verdict verdict;                              // over all results, those too whose cases are not
  bool judged = false;                          // there were expectations for one of them at least
  std::optional<nlohmann::ordered_json> fleet;  // fleet_json(); of three nodes or more
  std::size_t results_given = 0;
};

struct ReportPage {
  std::string html;
  Thinning thinning;
};

/// At most `limit` bytes where thinning the samples gets it there.
ReportPage to_report(const Report&, std::size_t limit);

/// What the page's scripts read: rows as `assay table --format json` has them, and what they need besides.
nlohmann::ordered_json report_data(const Report&);

/// Packed as the results are, gzip in base64: of hundreds of cases a fifth, and nothing in it can end a <script>.
std::string packed(const nlohmann::ordered_json&);

}  // namespace assay
