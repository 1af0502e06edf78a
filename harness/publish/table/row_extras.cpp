#include "harness/publish/table/row_extras.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "harness/core/units.h"
#include "harness/suite/accelerators.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

std::optional<double> median_clock(const Record& record) {
  std::vector<double> clocks;
  for (const auto& telemetry : record.telemetry)
    for (const auto& reading : telemetry.readings)
      if (reading.clock_mhz && *reading.clock_mhz > 0) clocks.push_back(*reading.clock_mhz);
  if (clocks.empty()) return std::nullopt;
  std::sort(clocks.begin(), clocks.end());
  return quantile(clocks, 0.5);
}

/// Of one device: its energy counter's growth where the window holds enough of its ticks, else the mean of readings.
std::optional<double> mean_power(const Telemetry& telemetry) {
  constexpr double kLeastWindow = 1;  // second: the counter ticks every 10 to 100 ms
  if (telemetry.energy_joules && telemetry.window_seconds >= kLeastWindow)
    return *telemetry.energy_joules / telemetry.window_seconds;
  double sum = 0;
  int count = 0;
  for (const auto& reading : telemetry.readings)
    if (reading.power_watts) sum += *reading.power_watts, ++count;
  return count > 0 ? std::optional(sum / count) : std::nullopt;
}

/// Of all devices of the case; nothing where one does not say.
std::optional<double> total_power(const Record& record) {
  double sum = 0;
  for (const auto& telemetry : record.telemetry) {
    const auto power = mean_power(telemetry);
    if (!power) return std::nullopt;
    sum += *power;
  }
  return sum > 0 ? std::optional(sum) : std::nullopt;
}

const Json* gpu_of(const Case& point, const Result& result) {
  const auto gpus = result.provenance.find("gpus");
  if (gpus == result.provenance.end() || !gpus->is_array()) return nullptr;
  for (const auto& gpu : *gpus)
    if (gpu.is_object() && gpu.value("index", Json()) == point.device_index) return &gpu;
  return nullptr;
}

/// The text at that place of the provenance; empty where there is none.
std::string text_at(const Json& provenance, const char* pointer) {
  const Json::json_pointer place(pointer);
  const Json value = provenance.contains(place) ? provenance.at(place) : Json();
  return value.is_string() ? value.get<std::string>() : std::string();
}

std::string run_of(const Json& provenance) {
  std::string out;
  for (const char* place : {"/system/hostname", "/started_utc", "/build/revision"})
    if (const auto text = text_at(provenance, place); !text.empty()) out += (out.empty() ? "" : ", ") + text;
  return out;
}

/// Hypervisors call processors of several generations by one name; their first caches differ.
std::string cpu_of(const Json& provenance) {
  const Json cpu = provenance.value("cpu", Json::object());
  if (!cpu.is_object()) return {};
  std::string out;
  if (const Json threads = cpu.value("threads", Json()); threads.is_number_integer())
    out = fmt::format("{} threads", threads.get<int>());
  for (const auto& cache : cpu.value("caches", Json::array()))
    if (cache.is_object() && cache.value("name", Json()) == "L1d" && cache.value("bytes", Json()).is_number())
      out += fmt::format("{}L1d {}", out.empty() ? "" : ", ", format_bytes(cache.at("bytes").get<double>()));
  return out;
}

std::vector<std::string> parts_of(const std::string& label) {
  std::vector<std::string> out;
  std::istringstream in(label);
  for (std::string part; std::getline(in, part, '/');) out.push_back(part);
  return out;
}

}  // namespace

void add_telemetry(const Record& record, TableRow& row) {
  row.clock_mhz = median_clock(record);
  row.power_watts = total_power(record);
  if (row.power_watts && row.flops_per_second) {
    constexpr double kFlopsPerPflop = 1e15;
    row.flops_per_joule = *row.flops_per_second / *row.power_watts;
    row.joules_per_pflop = kFlopsPerPflop / *row.flops_per_joule;
  }
  const Accelerator* known = record.point.device == Device::gpu ? find_accelerator(row.accelerator) : nullptr;
  if (!known) return;
  row.peak_flops_per_second = known->peak(record.point.dtype);
  constexpr double kHertzPerMegahertz = 1e6;
  if (!row.clock_mhz || !row.flops_per_second) return;
  const auto at_clock = known->peak_at(record.point.dtype, *row.clock_mhz * kHertzPerMegahertz);
  if (at_clock) row.percent_at_clock = 100 * *row.flops_per_second / *at_clock;
}

void add_conditions(const Record& record, const Result& result, TableRow& row) {
  const auto add = [&](const char* what, const std::string& value) {
    if (!value.empty()) row.conditions.push_back({what, value});
  };
  row.run = run_of(result.provenance);
  add("run", row.run);
  add("cache", name(record.point.cache));
  add("mode", name(record.point.mode));
  add("data", name(record.point.data));
  if (record.point.device == Device::cpu) {
    const Json::json_pointer threads("/run/threads");
    if (result.provenance.contains(threads)) add("threads", result.provenance.at(threads).dump());
    row.cpu = cpu_of(result.provenance);
    add("CPU", row.cpu);
    return;
  }
  const Json* gpu = gpu_of(record.point, result);
  std::optional<double> cap;
  for (const auto& telemetry : record.telemetry)
    if (telemetry.power_cap_watts) cap = telemetry.power_cap_watts;
  if (!cap && gpu && gpu->value("power_limit_watts", Json()).is_number())
    cap = gpu->at("power_limit_watts").get<double>();
  if (cap) add("power cap", fmt::format("{:.0f} W", *cap));
  if (gpu && gpu->value("driver_version", Json()).is_string())
    add("driver", gpu->at("driver_version").get<std::string>());
}

// A label is MODEL/LAYER/PASS/SPLIT (suite/models.cpp).  Tokens are the rows of the product in the forward pass and of
// the data's gradient, and what is summed over in the weights'.  An expert sees only some of the tokens.
std::optional<double> tokens_of(const Case& point) {
  if (point.workload == "train_step")  // of one rank
    return double(point.number("batch")) * double(point.number("sequence")) /
           double(std::max<std::int64_t>(point.number("ranks"), 1));
  if (point.workload != "gemm" || point.labels.empty()) return std::nullopt;
  const auto parts = parts_of(point.labels.front());
  if (parts.size() < 3) return std::nullopt;
  if (parts[1].find("expert") != std::string::npos && !parts[1].starts_with("shared")) return std::nullopt;
  if (parts[2] == "forward" || parts[2] == "dgrad") return double(point.number_or("m", 0));
  return parts[2] == "wgrad" ? std::optional(double(point.number_or("k", 0))) : std::nullopt;
}

Footnotes footnotes(const std::vector<TableRow>& rows, const TableColumns& columns) {
  const auto shown = [&](const std::string& what) {
    return (what == "cache" || what == "mode") &&
           (columns.empty() || std::find(columns.begin(), columns.end(), what) != columns.end());
  };
  std::map<std::string, std::vector<std::string>> values;  // of each condition, those that occur
  for (const auto& row : rows)
    for (const auto& [what, value] : row.conditions) {
      auto& seen = values[what];
      if (std::find(seen.begin(), seen.end(), value) == seen.end()) seen.push_back(value);
    }
  Footnotes out;
  std::vector<std::string> texts;
  for (const auto& row : rows) {
    std::string text;
    for (const auto& [what, value] : row.conditions)
      if (values[what].size() > 1 && !shown(what))
        text += fmt::format("{}{} {}", text.empty() ? "" : ", ", what, value);
    if (row.seal == name(Seal::broken))  // said of all rows, too: it is no condition that rows may share
      text += fmt::format("{}EDITED: the result was changed after it was written, its seal does not match",
                          text.empty() ? "" : ", ");
    if (row.origin != "measured")
      text = fmt::format("{}: {}", row.origin == "published" ? "published by others" : "never run here, datasheet only",
                         row.source);
    auto found = std::find(texts.begin(), texts.end(), text);
    if (!text.empty() && found == texts.end()) found = texts.insert(texts.end(), text);
    out.marks.push_back(text.empty() ? "" : std::to_string(found - texts.begin() + 1));
  }
  for (std::size_t i = 0; i < texts.size(); ++i) out.texts.push_back(fmt::format("{}: {}", i + 1, texts[i]));
  return out;
}

}  // namespace assay
