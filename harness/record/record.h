// One case's result as it is stored.  Rates are derived by functions, never stored as the only truth.
#pragma once
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "harness/core/case.h"
#include "harness/core/outcome.h"
#include "harness/measure/measurement.h"
#include "harness/measure/statistics.h"
#include "harness/verify/check.h"
#include "harness/workloads/workload.h"

namespace assay {

struct Record {
  Case point;
  Outcome outcome;
  Work work;
  Measurement measurement;              // empty unless measured
  std::optional<Check> check;
  std::string description;              // what the kernel chose
  int interrupted_attempts = 0;         // runs of this case that a crash or kill cut off before this one
  std::string started_utc;              // ISO 8601
};

/// Derived rates: null unless the outcome is ok.
struct Rates {
  Summary seconds;
  std::optional<double> flops_per_second, bytes_per_second, bus_bytes_per_second;
};
std::optional<Rates> rates(const Record&);

nlohmann::ordered_json to_json(const Record&);
/// InputError naming `source` and the place.
Record record_from_json(const nlohmann::ordered_json&, const std::string& source, const std::string& place);

}  // namespace assay
