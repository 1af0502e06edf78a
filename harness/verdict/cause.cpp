#include "harness/verdict/cause.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "harness/core/names.h"
#include "harness/measure/statistics.h"
#include "harness/verdict/cause_rules.h"

namespace assay {
namespace {

constexpr Named<CauseCode> kCodes[] = {{CauseCode::wrong_numbers, "wrong_numbers"},
                                       {CauseCode::other_bits, "other_bits"},
                                       {CauseCode::xid, "xid"},
                                       {CauseCode::ecc_uncorrected, "ecc_uncorrected"},
                                       {CauseCode::other_process, "other_process"},
                                       {CauseCode::other_load, "other_load"},
                                       {CauseCode::steal, "steal"},
                                       {CauseCode::quota, "quota"},
                                       {CauseCode::hardware_slowdown, "hardware_slowdown"},
                                       {CauseCode::thermal, "thermal"},
                                       {CauseCode::power_cap_lowered, "power_cap_lowered"},
                                       {CauseCode::application_clocks, "application_clocks"},
                                       {CauseCode::power_cap, "power_cap"},
                                       {CauseCode::ecc_corrected, "ecc_corrected"},
                                       {CauseCode::pcie, "pcie"},
                                       {CauseCode::link_errors, "link_errors"},
                                       {CauseCode::only_together, "only_together"},
                                       {CauseCode::memory_clock, "memory_clock"},
                                       {CauseCode::clock, "clock"},
                                       {CauseCode::memory, "memory"},
                                       {CauseCode::link, "link"},
                                       {CauseCode::silicon, "silicon"},
                                       {CauseCode::unexplained, "unexplained"},
                                       {CauseCode::no_telemetry, "no_telemetry"}};
constexpr Named<Action> kActions[] = {
    {Action::recheck, "recheck"}, {Action::reset, "reset"}, {Action::drain, "drain"}, {Action::return_part, "return"}};

/// "gpu3" -> "GPU 3", "core1" -> "core 1"
std::string spoken(const std::string& device) {
  if (device.starts_with("core")) return "core " + device.substr(4);
  return device.starts_with("gpu") ? "GPU " + device.substr(3) : std::string("CPU");
}

std::string change(double ratio) {
  if (!std::isfinite(ratio)) return "no rate";
  return fmt::format("{:.1f} % {}", 100 * std::abs(1 - ratio), ratio < 1 ? "slower" : "faster");
}

/// ", clock 7.0 % lower"; empty where it is unknown, and where it is the same, which the evidence says.
std::string clock_text(const Seen& seen) {
  if (!seen.clock_drop || *seen.clock_drop < 0.005) return {};
  return fmt::format(", clock {:.1f} % lower", 100 * *seen.clock_drop);
}

/// " only while all 8 run"; empty where it is slow by itself, too.
std::string when(const Record& record, const Normal& normal) {
  return normal.fast_alone ? fmt::format(" only while all {} run", record.point.together) : std::string();
}

Cause of_wrong(const Record& record) {
  std::string evidence;
  for (const auto& t : record.telemetry) {
    if (t.ecc_uncorrected.value_or(0) > 0)
      evidence += fmt::format(", {} uncorrected memory errors", *t.ecc_uncorrected);
    if (!t.xids.empty()) evidence += fmt::format(", XID {}", fmt::join(t.xids, ", "));
  }
  return {CauseCode::wrong_numbers,
          fmt::format("{}: wrong numbers{}: drain the node and run the case again on another",
                      spoken(record.point.device_name()), evidence),
          Action::drain};
}

template <class T>
std::optional<T> median(std::vector<T> values) {
  if (values.empty()) return std::nullopt;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

const char* name(CauseCode value) { return find_name(kCodes, value); }
const char* name(Action value) { return find_name(kActions, value); }

bool Cause::disturbed() const {
  return code == CauseCode::other_process || code == CauseCode::other_load || code == CauseCode::steal ||
         code == CauseCode::quota;
}

Normal normal_of(const Record& known_good) {
  std::vector<double> clocks, memory_clocks, caps;
  std::vector<int> generations, widths;
  for (const auto& t : known_good.telemetry) {
    if (const auto clock = median_clock(t)) clocks.push_back(*clock);
    if (const auto clock = median_memory_clock(t)) memory_clocks.push_back(*clock);
    if (t.power_cap_watts) caps.push_back(*t.power_cap_watts);
    if (t.pcie_generation) generations.push_back(*t.pcie_generation);
    if (t.pcie_width) widths.push_back(*t.pcie_width);
  }
  return {median(clocks), median(memory_clocks), median(caps), median(generations), median(widths), false};
}

Cause explain(const Record& measured, double ratio, const Normal& normal) {
  if (measured.outcome.kind == OutcomeKind::wrong) return of_wrong(measured);
  if (measured.telemetry.empty())
    return {CauseCode::no_telemetry,
            fmt::format("{}: {}{}, no telemetry was recorded: measure again where it can be",
                        spoken(measured.point.device_name()), change(ratio), when(measured, normal)),
            Action::recheck};
  for (const CauseRule rule : cause_rules())
    for (const auto& telemetry : measured.telemetry) {
      const Seen seen = look_at(measured, telemetry, normal);
      const auto finding = rule(seen);
      if (!finding) continue;
      return {finding->code,
              fmt::format("{}: {}{}{}, {}: {}", spoken(telemetry.device), change(ratio), when(measured, normal),
                          clock_text(seen), finding->evidence, finding->advice),
              finding->action};
    }
  return {CauseCode::unexplained,
          fmt::format("{}: {}, nothing in its telemetry says why: measure again beside a known-good node",
                      spoken(measured.point.device_name()), change(ratio)),
          Action::recheck};
}

Cause explain(const Record& measured, double ratio, const Record* known_good) {
  return explain(measured, ratio, known_good ? normal_of(*known_good) : Normal{});
}

}  // namespace assay
