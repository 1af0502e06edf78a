// The rules that explain() asks in turn: each looks at one device of one record.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "harness/verdict/cause.h"

namespace assay {

/// What a rule sees.
struct Seen {
  const Record& record;
  const Telemetry& telemetry;
  const Normal& normal;
  /// Share by which the clock is below the normal one; null where either is unknown.
  std::optional<double> clock_drop, memory_clock_drop;
};
Seen look_at(const Record&, const Telemetry&, const Normal&);

struct Finding {
  CauseCode code;
  std::string evidence;  // "thermal limit 64 % of the time, 86 C"
  std::string advice;    // "check cooling"
  Action action;
};

using CauseRule = std::optional<Finding> (*)(const Seen&);
/// Most telling first.
const std::vector<CauseRule>& cause_rules();

bool is_collective(const Record&);
/// Less work for a byte than the device breaks even at.
bool is_memory_bound(const Record&);

/// Medians of the readings; null where none has one.
std::optional<double> median_clock(const Telemetry&);
std::optional<double> median_memory_clock(const Telemetry&);

}  // namespace assay
