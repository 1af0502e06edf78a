#include "harness/record/telemetry_json.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "harness/core/error.h"
#include "harness/record/json_fields.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

template <class T>
struct Member {
  const char* key;
  std::optional<T> Telemetry::*value;
};
constexpr Member<double> kNumbers[] = {{"energy_joules", &Telemetry::energy_joules},
                                       {"power_cap_watts", &Telemetry::power_cap_watts},
                                       {"other_load", &Telemetry::other_load},
                                       {"steal_share", &Telemetry::steal_share},
                                       {"throttled_seconds", &Telemetry::throttled_seconds}};
constexpr Member<std::int64_t> kCounts[] = {{"ecc_corrected", &Telemetry::ecc_corrected},
                                            {"ecc_uncorrected", &Telemetry::ecc_uncorrected},
                                            {"remapped_rows", &Telemetry::remapped_rows},
                                            {"pcie_replays", &Telemetry::pcie_replays},
                                            {"nvlink_errors", &Telemetry::nvlink_errors}};
constexpr Member<int> kSmall[] = {{"pcie_generation", &Telemetry::pcie_generation},
                                  {"pcie_width", &Telemetry::pcie_width},
                                  {"pcie_generation_max", &Telemetry::pcie_generation_max},
                                  {"pcie_width_max", &Telemetry::pcie_width_max}};
struct Column {
  const char* key;
  std::optional<double> Reading::*value;
};
constexpr Column kColumns[] = {{"clock_mhz", &Reading::clock_mhz},
                               {"memory_clock_mhz", &Reading::memory_clock_mhz},
                               {"power_watts", &Reading::power_watts},
                               {"power_average_watts", &Reading::power_average_watts},
                               {"temperature_celsius", &Reading::temperature_celsius},
                               {"memory_temperature_celsius", &Reading::memory_temperature_celsius}};

/// Thousandths are finer than any sensor, and short.
Json rounded(double value) { return finite_or_null(std::round(value * 1e3) / 1e3); }

Json readings_json(const std::vector<Reading>& readings) {
  Json out = {{"seconds", Json::array()}};
  for (const Reading& one : readings) out["seconds"].push_back(rounded(one.seconds));
  for (const auto& [key, value] : kColumns) {
    if (std::none_of(readings.begin(), readings.end(),
                     [value = value](const Reading& one) { return (one.*value).has_value(); }))
      continue;
    Json column = Json::array();
    for (const Reading& one : readings) column.push_back(one.*value ? rounded(*(one.*value)) : Json(nullptr));
    out[key] = std::move(column);
  }
  if (std::any_of(readings.begin(), readings.end(), [](const Reading& one) { return !one.limits.empty(); }))
    for (const Reading& one : readings) out["limits"].push_back(one.limits);
  return out;
}

Json telemetry_json(const Telemetry& t) {
  Json out = {{"device", t.device},
              {"source", t.source},
              {"period_seconds", rounded(t.period_seconds)},
              {"window_seconds", rounded(t.window_seconds)},
              {"readings", readings_json(t.readings)},
              {"limits", Json::array()},
              {"xids", t.xids},
              {"others", Json::array()}};
  for (const LimitTime& one : t.limits) {
    out["limits"].push_back({{"reason", one.reason}, {"share", rounded(one.share)}});
    if (one.seconds) out["limits"].back()["seconds"] = finite_or_null(*one.seconds);
  }
  for (const OtherProcess& one : t.others) {
    out["others"].push_back({{"pid", one.pid}, {"name", one.name}});
    if (one.cpu_seconds) out["others"].back()["cpu_seconds"] = rounded(*one.cpu_seconds);
    if (one.memory_bytes) out["others"].back()["memory_bytes"] = finite_or_null(*one.memory_bytes);
  }
  const auto add = [&](const auto& members) {
    for (const auto& [key, value] : members)
      if (t.*value) out[key] = *(t.*value);
  };
  add(kNumbers), add(kCounts), add(kSmall);
  return out;
}

std::vector<std::string> texts(const JsonFields& in, const char* key, const Json& array) {
  std::vector<std::string> out;
  if (!array.is_array()) in.fail(key, "expected an array of strings");
  for (const Json& one : array) {
    if (!one.is_string()) in.fail(key, "expected an array of strings");
    out.push_back(one.get<std::string>());
  }
  return out;
}

const Json& array_of(const JsonFields& in, const char* key, std::optional<std::size_t> size = {}) {
  const Json& array = in.at(key);
  if (!array.is_array() || (size && array.size() != *size))
    in.fail(key, size ? "expected an array of " + std::to_string(*size) + ", one for each of \"seconds\""
                      : "expected an array");
  return array;
}

std::vector<Reading> readings_from_json(const JsonFields& in) {
  std::vector<Reading> out;
  for (const Json& seconds : array_of(in, "seconds")) {
    const double value = seconds.is_number() ? seconds.get<double>() : std::nan("");
    if (!(value >= 0) || !std::isfinite(value) || (!out.empty() && value < out.back().seconds))
      in.fail("seconds", "expected finite numbers of at least 0, none below the one before");
    out.emplace_back().seconds = value;
  }
  for (const auto& [key, member] : kColumns) {
    if (!in.has(key)) continue;
    const Json& column = array_of(in, key, out.size());
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (column[i].is_null()) continue;
      if (!column[i].is_number() || !std::isfinite(column[i].get<double>()))
        in.fail(key, "expected finite numbers or null");
      out[i].*member = column[i].get<double>();
    }
  }
  if (!in.has("limits")) return out;
  const Json& limits = array_of(in, "limits", out.size());
  for (std::size_t i = 0; i < out.size(); ++i) out[i].limits = texts(in, "limits", limits[i]);
  return out;
}

std::optional<double> optional_number(const JsonFields& in, const char* key) {
  if (!in.has(key)) return std::nullopt;
  const double value = in.number(key);
  if (value < 0) in.fail(key, "expected at least 0");
  return value;
}

LimitTime limit_from_json(const JsonFields& in) {
  LimitTime out{in.text("reason"), in.number("share"), optional_number(in, "seconds")};
  if (!(0 <= out.share && out.share <= 1)) in.fail("share", "expected a number from 0 to 1");
  return out;
}

OtherProcess other_from_json(const JsonFields& in) {
  return {in.count("pid"), in.text("name"), optional_number(in, "cpu_seconds"), optional_number(in, "memory_bytes")};
}

int small_count(const JsonFields& in, const char* key) {
  return int(std::min<std::int64_t>(in.count(key), std::numeric_limits<int>::max()));
}

Telemetry one_from_json(const Json& json, const std::string& source, const std::string& place) {
  const JsonFields in(json, source, place);
  Telemetry out;
  out.device = in.text("device");
  out.source = in.text("source");
  out.period_seconds = in.number("period_seconds");
  out.window_seconds = in.number("window_seconds");
  out.readings = readings_from_json(in.object("readings"));
  const auto each = [&](const char* key, const auto& step) {
    const Json& array = array_of(in, key);
    for (std::size_t i = 0; i < array.size(); ++i)
      step(JsonFields(array[i], source, place + "/" + key + "/" + std::to_string(i)));
  };
  each("limits", [&](const JsonFields& one) { out.limits.push_back(limit_from_json(one)); });
  each("others", [&](const JsonFields& one) { out.others.push_back(other_from_json(one)); });
  for (const Json& xid : array_of(in, "xids")) {
    if (!xid.is_number_integer()) in.fail("xids", "expected integers");
    out.xids.push_back(xid.get<int>());
  }
  for (const auto& [key, member] : kNumbers) out.*member = optional_number(in, key);
  for (const auto& [key, member] : kCounts)
    if (in.has(key)) out.*member = in.count(key);
  for (const auto& [key, member] : kSmall)
    if (in.has(key)) out.*member = small_count(in, key);
  return out;
}

}  // namespace

Json to_json(const std::vector<Telemetry>& all) {
  Json out = Json::array();
  for (const Telemetry& one : all) out.push_back(telemetry_json(one));
  return out;
}

std::vector<Telemetry> telemetry_from_json(const Json& json, const std::string& source, const std::string& place) {
  // A journal's lines are not held to the schema first.
  if (!json.is_array()) throw InputError(source + ": " + place + ": expected an array");
  std::vector<Telemetry> out;
  for (std::size_t i = 0; i < json.size(); ++i)
    out.push_back(one_from_json(json[i], source, place + "/" + std::to_string(i)));
  return out;
}

}  // namespace assay
