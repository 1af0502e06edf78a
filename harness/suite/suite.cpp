#include "harness/suite/suite.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/core/error.h"
#include "harness/core/file.h"
#include "harness/suite/embedded.h"
#include "harness/suite/entry.h"
#include "harness/suite/json_schema.h"
#include "harness/suite/wording.h"

namespace assay {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kMaxSuiteBytes = 16 << 20;  // ours are a few KB

/// Reads what is given over the default; the schema has checked the types.
SamplingRule read_sampling(const ordered_json& json, const std::string& source, const char* pointer) {
  SamplingRule rule;
  rule.min_samples = json.value("min_samples", rule.min_samples);
  rule.max_samples = json.value("max_samples", rule.max_samples);
  rule.relative_half_width = json.value("relative_half_width", rule.relative_half_width);
  rule.wall_seconds = json.value("wall_seconds", rule.wall_seconds);
  rule.timeout_seconds = json.value("timeout_seconds", rule.timeout_seconds);
  rule.warmup_seconds = json.value("warmup_seconds", rule.warmup_seconds);
  rule.sustained_seconds = json.value("sustained_seconds", rule.sustained_seconds);
  rule.telemetry_seconds = json.value("telemetry_seconds", rule.telemetry_seconds);
  if (rule.min_samples > rule.max_samples)
    throw InputError(fmt::format("{}: {}/min_samples: is {}, expected at most max_samples, which is {}", source,
                                 pointer, rule.min_samples, rule.max_samples));
  return rule;
}

std::optional<SearchRule> read_search(const ordered_json& suite, const std::string& source, const Catalog& catalog) {
  const auto json = suite.find("search");
  if (json == suite.end()) return std::nullopt;
  SearchRule rule;
  rule.workload = (*json)["workload"];
  if (!find_workload(catalog, rule.workload))
    throw InputError(
        fmt::format("{}: /search/workload: no workload is called \"{}\"", source, printable(rule.workload)));
  rule.finalists = json->value("finalists", rule.finalists);
  rule.sampling = read_sampling((*json)["sampling"], source, "/search/sampling");
  return rule;
}

std::optional<SoakRule> read_soak(const ordered_json& suite) {
  const auto json = suite.find("soak");
  if (json == suite.end()) return std::nullopt;
  SoakRule rule;
  rule.seconds = json->value("seconds", rule.seconds);
  rule.throttle.percent = json->value("throttle_percent", rule.throttle.percent);
  rule.throttle.hold_seconds = json->value("throttle_seconds", rule.throttle.hold_seconds);
  rule.digest_share = json->value("digest_share", rule.digest_share);
  return rule;
}

std::optional<SelftestRule> read_selftest(const ordered_json& suite) {
  const auto json = suite.find("selftest");
  if (json == suite.end()) return std::nullopt;
  SelftestRule rule;
  rule.repetitions = json->value("repetitions", rule.repetitions);
  return rule;
}

std::optional<StragglerRule> read_stragglers(const ordered_json& suite) {
  const auto json = suite.find("stragglers");
  if (json == suite.end()) return std::nullopt;
  StragglerRule rule;
  rule.operations = json->value("operations", rule.operations);
  rule.probe_samples = json->value("probe_samples", rule.probe_samples);
  rule.sample_seconds = json->value("sample_seconds", rule.sample_seconds);
  rule.link_bytes = json->value("link_bytes", rule.link_bytes);
  rule.slower = json->value("slower", rule.slower);
  return rule;
}

/// How the cases are measured, where it is not one by one.
void read_kind(Suite& suite, const ordered_json& json, const std::string& source, const Catalog& catalog) {
  suite.search = read_search(json, source, catalog);
  suite.soak = read_soak(json);
  suite.selftest = read_selftest(json);
  suite.together = json.value("together", false);
  suite.stragglers = read_stragglers(json);
  if (suite.soak) suite.soak->throttle.settle_seconds = suite.sampling.sustained_seconds;
  if (suite.search.has_value() + suite.soak.has_value() + suite.selftest.has_value() + suite.together +
          suite.stragglers.has_value() >
      1)
    throw InputError(source +
                     ": expected at most one of \"search\", \"soak\", \"selftest\", \"together\" and \"stragglers\"");
}

void check_overrides(const std::vector<AxisOverride>& overrides, const Catalog& catalog) {
  for (auto one = overrides.begin(); one != overrides.end(); ++one) {
    if (std::any_of(overrides.begin(), one, [&](const AxisOverride& other) { return other.axis == one->axis; }))
      throw InputError(fmt::format("--set {}: given twice, expected one list of values", one->axis));
    if (one->values.empty()) throw InputError(fmt::format("--set {}: expected at least one value", one->axis));
    if (one->axis != "workload") continue;
    std::vector<std::string> names;
    for (const auto& kind : catalog) names.push_back(kind.name);
    for (const auto& value : one->values)
      if (!find_workload(catalog, value))
        throw InputError(fmt::format("--set workload: no workload is called \"{}\"; there are {}{}", printable(value),
                                     join(names), did_you_mean(value, names)));
  }
}

/// `--set workload=gemm` leaves only those entries.
bool left_out(const Entry& entry, const std::vector<AxisOverride>& overrides) {
  return std::any_of(overrides.begin(), overrides.end(), [&](const AxisOverride& o) {
    return o.axis == "workload" && std::find(o.values.begin(), o.values.end(), entry.kind->name) == o.values.end();
  });
}

std::vector<std::string> suite_names() {
  constexpr std::string_view kFolder = "suites/", kEnding = ".json";
  std::vector<std::string> names;
  for (const auto& file : embedded_files())
    if (file.path.starts_with(kFolder))
      names.emplace_back(file.path.substr(kFolder.size(), file.path.size() - kFolder.size() - kEnding.size()));
  return names;
}

}  // namespace

Suite parse_suite(std::string_view text, const std::string& source, const Catalog& catalog,
                  const DevicesPresent& devices, const std::vector<AxisOverride>& overrides) {
  const ordered_json json = parse_json(text, source, "suite.schema.json");
  check_overrides(overrides, catalog);
  Suite suite;
  suite.name = json["name"];
  suite.description = json.value("description", std::string());
  suite.sampling = read_sampling(json.value("sampling", ordered_json::object()), source, "/sampling");
  read_kind(suite, json, source, catalog);
  const ordered_json defaults = json.value("defaults", ordered_json::object());
  std::vector<Entry> entries;
  for (std::size_t i = 0; i < json["cases"].size(); ++i) {
    Entry entry = read_entry(json["cases"][i], defaults, source, fmt::format("/cases/{}", i), catalog);
    if (!left_out(entry, overrides)) entries.push_back(std::move(entry));
  }
  apply_overrides(entries, overrides);
  check_overridden_kernels(entries);
  Expander expander(suite, narrow(devices, overrides), !overrides.empty());
  for (auto& entry : entries) {
    derive_shapes(entry);
    expander.add(entry);
  }
  expander.finish();
  return suite;
}

Suite load_suite(const std::string& name, const Catalog& catalog, const DevicesPresent& devices,
                 const std::vector<AxisOverride>& overrides) {
  if (name.find('/') != std::string::npos || name.ends_with(".json"))
    return parse_suite(read_file(name, kMaxSuiteBytes), name, catalog, devices, overrides);
  const auto embedded = embedded_file(fmt::format("suites/{}.json", name));
  if (!embedded)
    throw InputError(fmt::format("no suite is called '{}'; there are {}, or give the path of a file ending in .json{}",
                                 printable(name), join(suite_names()), did_you_mean(name, suite_names())));
  return parse_suite(*embedded, fmt::format("configs/suites/{}.json", name), catalog, devices, overrides);
}

AxisOverride parse_override(std::string_view text) {
  const auto refuse = [&] { return InputError(fmt::format("--set {}: expected axis=value,value", printable(text))); };
  const auto equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) throw refuse();
  AxisOverride out{std::string(text.substr(0, equals)), {}};
  text = text.substr(equals + 1);
  while (true) {
    const auto comma = text.find(',');
    out.values.emplace_back(text.substr(0, comma));
    if (out.values.back().empty()) throw InputError(fmt::format("--set {}: an empty value", out.axis));
    if (comma == std::string_view::npos) return out;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace assay
