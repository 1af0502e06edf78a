#include "harness/suite/accelerators.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/core/error.h"
#include "harness/core/file.h"
#include "harness/suite/embedded.h"
#include "harness/suite/json_schema.h"
#include "harness/suite/wording.h"

namespace assay {
namespace {

using nlohmann::ordered_json;

/// The first figure is the one used; a file that keeps differing ones must call them disputed, and only then.
const ordered_json& used_figure(const ordered_json& group, const std::string& place) {
  const ordered_json& figures = group["figures"];
  const bool differ = std::any_of(figures.begin(), figures.end(),
                                  [&](const ordered_json& figure) { return figure["value"] != figures[0]["value"]; });
  if (differ != group.value("disputed", false))
    throw InputError(fmt::format("{}: \"disputed\" must be true exactly where the figures differ", place));
  return figures[0];
}

/// Datasheets name a width where several element types share a rate.
std::vector<DType> dtypes_named(const std::string& type) {
  if (type == "fp8") return {DType::e4m3, DType::e5m2};
  if (type == "fp4") return {DType::e2m1};
  DType dtype{};
  return parse_dtype(type, dtype) ? std::vector<DType>{dtype} : std::vector<DType>{};
}

std::vector<SourcedPeak> read_peaks(const ordered_json& groups, const std::string& source) {
  std::vector<SourcedPeak> peaks;
  for (const auto& [type, group] : groups.items()) {
    const ordered_json& used = used_figure(group, fmt::format("{}: /dense_flops_per_second/{}", source, type));
    SourcedPeak peak;
    peak.flops_per_second = used["value"];
    peak.source = fmt::format("{}, {}", used["source"].get<std::string>(), used["date"].get<std::string>());
    peak.clock_hz = used.value("clock_hz", 0.0);
    peak.disputed = group.value("disputed", false);
    for (const DType dtype : dtypes_named(type)) {
      peak.dtype = dtype;
      peaks.push_back(peak);
    }
  }
  return peaks;
}

std::optional<Interconnect> read_interconnect(const ordered_json& json, const std::string& source) {
  if (!json.contains("interconnect")) return std::nullopt;
  const ordered_json& group = json["interconnect"];
  const auto figure = [&](const char* key) {
    return used_figure(group[key], fmt::format("{}: /interconnect/{}", source, key))["value"].get<double>();
  };
  return Interconnect{int(figure("links")), figure("link_bytes_per_second"),
                      group.contains("nvls_efficiency") ? figure("nvls_efficiency") : 0};
}

Accelerator parse_accelerator(std::string_view text, const std::string& source) {
  const ordered_json json = parse_json(text, source, "accelerator.schema.json");
  Accelerator out;
  out.name = json["name"];
  out.full_name = json["full_name"];
  out.device_names = json["device_names"].get<std::vector<std::string>>();
  out.compute_capability = json["compute_capability"];
  const auto optional_figure = [&](const char* key) {
    return json.contains(key) ? used_figure(json[key], fmt::format("{}: /{}", source, key))["value"].get<double>() : 0;
  };
  out.multiprocessors = int(optional_figure("multiprocessors"));
  out.l2_bytes = optional_figure("l2_bytes");
  out.shared_bytes_per_block = optional_figure("shared_bytes_per_block");
  out.peaks = read_peaks(json["dense_flops_per_second"], source);
  out.memory_bytes_per_second =
      used_figure(json["memory_bytes_per_second"], source + ": /memory_bytes_per_second")["value"];
  out.memory_bytes = used_figure(json["memory_bytes"], source + ": /memory_bytes")["value"];
  out.interconnect = read_interconnect(json, source);
  out.table_only = json["table_only"];
  return out;
}

}  // namespace

std::optional<double> Accelerator::peak(DType dtype) const {
  for (const auto& peak : peaks)
    if (peak.dtype == dtype) return peak.flops_per_second;
  return std::nullopt;
}

std::optional<double> Accelerator::peak_at(DType dtype, double clock_hz) const {
  for (const auto& peak : peaks)
    if (peak.dtype == dtype && peak.clock_hz > 0) return peak.flops_per_second * clock_hz / peak.clock_hz;
  return std::nullopt;
}

const std::vector<Accelerator>& accelerators() {
  static const std::vector<Accelerator> all = [] {
    std::vector<Accelerator> parsed;
    for (const auto& file : embedded_files())
      if (file.path.starts_with("accelerators/"))
        parsed.push_back(parse_accelerator(file.text, fmt::format("configs/{}", file.path)));
    return parsed;
  }();
  return all;
}

const Accelerator* find_accelerator(std::string_view device_name) {
  for (const auto& accelerator : accelerators())
    for (const auto& name : accelerator.device_names)
      if (name == device_name) return &accelerator;
  return nullptr;
}

const Accelerator& accelerator_named(std::string_view name) {
  std::vector<std::string> names;
  for (const auto& accelerator : accelerators()) {
    if (accelerator.name == name) return accelerator;
    names.push_back(accelerator.name);
  }
  throw InputError(fmt::format("no accelerator is called '{}'; there are {}{}", printable(name), join(names),
                               did_you_mean(name, names)));
}

Accelerator load_accelerator(const std::string& name) {
  constexpr std::size_t kMostBytes = 1 << 20;
  return names_file(name) ? parse_accelerator(read_file(name, kMostBytes), name) : accelerator_named(name);
}

Target target_of(const Accelerator& accelerator) {
  if (accelerator.table_only)
    throw InputError(fmt::format("{} is in tables only: none of the kernels here runs on it", accelerator.full_name));
  Target target;
  target.device = Device::gpu;
  target.compute_capability = accelerator.compute_capability;
  target.multiprocessors = accelerator.multiprocessors;
  target.shared_bytes_per_block = std::size_t(accelerator.shared_bytes_per_block);
  target.l2_bytes = std::size_t(accelerator.l2_bytes);
  return target;
}

}  // namespace assay
