#include "harness/verdict/learn.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "harness/core/error.h"
#include "harness/core/glob.h"
#include "harness/measure/statistics.h"
#include "harness/verdict/verdict.h"

namespace assay {
namespace {

constexpr double kWidest = 0.6;  // a tolerance above says that the case is not worth an expectation
constexpr double kSigmas = 4, kMadToSigma = 1.4826;

/// What all results say of one case, GPUs together.
struct Figures {
  std::vector<const Record*> records;
  std::vector<double> rates;
  std::vector<double> half_widths;  // of their 95 % intervals, relative
  RateUnit unit = RateUnit::flops;
};

bool chosen(const std::string& id, const std::vector<std::string>& filters) {
  return filters.empty() ||
         std::any_of(filters.begin(), filters.end(), [&](const std::string& filter) { return glob_match(filter, id); });
}

/// The case on any GPU: "gpu3" -> "gpu*".
std::string pattern_of(const Case& point) {
  std::string id = point.id();
  if (point.device != Device::gpu) return id;
  const std::size_t device = point.workload.size() + point.kernel.size() + 2;  // behind "gemm/mma_sm80/"
  return id.replace(device, point.device_name().size(), "gpu*");
}

std::optional<RateUnit> unit_of(const Rates& derived) {
  if (derived.bus_bytes_per_second) return RateUnit::bus_bytes;
  if (derived.flops_per_second) return RateUnit::flops;
  if (derived.bytes_per_second) return RateUnit::bytes;
  return std::nullopt;
}

void expect_good(const NamedResult& in, const MachineWanted& machine, const LearnOptions& options) {
  CheckOptions any;
  any.unsealed = options.unsealed;
  const auto fail = [&](const std::string& what) { throw InputError(fmt::format("{}: {}", in.file, what)); };
  const Result& result = in.result;
  if (!(machine_of(result.provenance) == machine))
    fail("is of " + machine_of(result.provenance).describe() + ", and the first result of " + machine.describe());
  if (!result.complete) fail("the run is not complete: assay run --resume");
  if (result.seal == Seal::broken) fail("was changed after it was written: its seal does not match");
  if (result.seal == Seal::none && !options.unsealed) fail("is not sealed: measure again, or --unsealed takes it");
  for (const auto& finding : result.provenance["findings"])
    if (finding.is_object() && finding.value("severity", "") == "unfit") fail("its machine was unfit to measure");
  for (const auto& record : result.records) {
    if (record.outcome.kind == OutcomeKind::skipped || !chosen(record.point.id(), options.filters)) continue;
    if (const auto why = unusable(record, any); !why.empty())
      fail(record.point.id() + ": " + why + "; nothing is learned from a node that is not known to be good");
  }
}

std::map<std::string, Figures> gather(const std::vector<NamedResult>& results, const LearnOptions& options,
                                      std::vector<std::string>& order) {
  std::map<std::string, Figures> seen;
  for (const auto& in : results)
    for (const auto& record : in.result.records) {
      const auto derived = chosen(record.point.id(), options.filters) ? rates(record) : std::nullopt;
      const auto unit = derived ? unit_of(*derived) : std::nullopt;
      if (!unit) continue;  // skipped, or an empty launch
      const std::string pattern = pattern_of(record.point);
      Figures& one = seen[pattern];
      if (one.records.empty()) order.push_back(pattern);
      one.unit = *unit;
      one.records.push_back(&record);
      one.rates.push_back(*rate_of(*derived, *unit));
      const Summary& s = derived->seconds;
      one.half_widths.push_back((s.median_95.high - s.median_95.low) / 2 / s.median);
    }
  return seen;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return quantile(values, 0.5);
}

double tolerance_of(const Figures& seen, double value, double least) {
  std::vector<double> deviations;
  for (const double rate : seen.rates) deviations.push_back(std::abs(rate - value));
  const double scatter = kSigmas * kMadToSigma * median(deviations) / value;
  const double tolerance = std::max({least, scatter, median(seen.half_widths)});
  return std::min(kWidest, std::ceil(1000 * tolerance) / 1000);
}

/// Three digits more than the scatter supports would be noise in the file.
double rounded(double value) {
  // Not stod: it throws where a number is so small that it has fewer digits than others.
  const double out = std::strtod(fmt::format("{:.4g}", value).c_str(), nullptr);
  return std::isfinite(out) ? out : value;
}

Conditions conditions_of(const Figures& seen) {
  const Case& point = seen.records.front()->point;
  Conditions out{point.data, point.cache, point.mode, {}};
  Record together;
  for (const Record* record : seen.records)
    together.telemetry.insert(together.telemetry.end(), record->telemetry.begin(), record->telemetry.end());
  out.normal = normal_of(together);
  return out;
}

std::string source_of(const std::vector<NamedResult>& results) {
  std::string files;
  for (const auto& in : results)
    files += (files.empty() ? "" : ", ") + std::filesystem::path(in.file).filename().string();
  return "measured with assay: " + files;
}

std::string latest_date(const std::vector<NamedResult>& results) {
  std::string latest;
  for (const auto& in : results)
    for (const auto& record : in.result.records) latest = std::max(latest, record.started_utc.substr(0, 10));
  return latest.size() < 4 ? "not stated" : latest;
}

}  // namespace

Expectations learn(const std::vector<NamedResult>& results, const LearnOptions& options) {
  if (results.empty()) throw InputError("expected at least one result to learn from");
  Expectations out;
  out.file = out.name = options.name;
  out.machine = machine_of(results.front().result.provenance);
  out.suite = options.suite.empty() ? results.front().result.suite : options.suite;
  out.learned_from = int(results.size());
  out.description = fmt::format("{}, from {} result{} of nodes known to be good.", out.machine.describe(),
                                results.size(), results.size() == 1 ? "" : "s");
  for (const auto& in : results) expect_good(in, out.machine, options);
  std::vector<std::string> order;
  const auto seen = gather(results, options, order);
  if (order.empty()) throw InputError(results.front().file + ": holds no measured case that was chosen");
  const double least = options.least_tolerance.value_or(results.size() == 1 ? 0.10 : 0.03);
  for (const auto& pattern : order) {
    const Figures& one = seen.at(pattern);
    Expectation e;
    e.name = pattern;
    e.pattern = pattern;
    e.unit = one.unit;
    const double value = median(one.rates);
    e.value = rounded(value);
    e.tolerance = tolerance_of(one, value, least);
    e.per_gpu = one.records.front()->point.device == Device::gpu && one.unit != RateUnit::bus_bytes;
    e.source = source_of(results);
    e.date = latest_date(results);
    e.note = fmt::format("median of {} figures", one.rates.size());
    e.conditions = conditions_of(one);
    out.entries.push_back(std::move(e));
  }
  // Small shapes are bound by memory or launches: their floors are low, and say so.
  for (auto& e : out.entries)
    if (!implausibility(e, out).empty()) e.low = "measured so on nodes known to be good";
  return out;
}

}  // namespace assay
