// One case's result as it is stored.  Rates are derived by functions, never stored as the only truth.
#pragma once
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "harness/core/case.h"
#include "harness/core/outcome.h"
#include "harness/measure/measurement.h"
#include "harness/measure/rank_times.h"
#include "harness/measure/statistics.h"
#include "harness/record/selftest.h"
#include "harness/record/soak.h"
#include "harness/record/telemetry.h"
#include "harness/verify/check.h"
#include "harness/workloads/loss_curve.h"
#include "harness/workloads/workload.h"

namespace assay {

struct Record {
  Case point;
  bool vendor = false;  // the kernel is a library's: a yardstick
  Outcome outcome;
  Work work;
  Measurement measurement;  // empty unless measured
  std::optional<Check> check;
  std::vector<Telemetry> telemetry;  // one per device that the case used; empty where none could be read
  std::optional<Soak> soak;          // where it was soaked
  std::optional<Selftest> selftest;  // where it was measured against itself
  std::string description;           // what the kernel chose
  std::vector<Detail> details;       // what it knows besides its time; names are unique
  std::optional<LossCurve> losses;   // where it was trained
  int interrupted_attempts = 0;      // runs of this case that a crash or kill cut off before this one
  std::string started_utc;           // ISO 8601
};

/// Derived rates: null unless the outcome is ok.
struct Rates {
  Summary seconds;
  std::optional<double> flops_per_second, bytes_per_second, bus_bytes_per_second;
  std::optional<RankSummary> ranks;  // where each rank's own times are known
};
/// A detail's number or word; nothing where it has none.
std::optional<double> detail_number(const Record&, std::string_view name);
std::optional<std::string> detail_word(const Record&, std::string_view name);
std::optional<Rates> rates(const Record&);

/// What the outcome demands of the rest: a measurement that can be summarised and a check that passed where it is ok, a
/// failed check where it is wrong, a reason elsewhere.  Empty where all holds.
std::string inconsistency(const Record&);

/// NaN and infinity become null, doubles round-trip.  `summary` is there for people and for jq: reading checks it for
/// sense and derives everything from the samples again.
nlohmann::ordered_json to_json(const Record&);
nlohmann::ordered_json to_json(const Check&);
Check check_from_json(const nlohmann::ordered_json&, const std::string& source, const std::string& place);
/// InputError naming `source` and the place.
Record record_from_json(const nlohmann::ordered_json&, const std::string& source, const std::string& place);

}  // namespace assay
