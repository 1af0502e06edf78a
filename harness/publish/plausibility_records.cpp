#include "harness/publish/plausibility_records.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <exception>
#include <map>
#include <optional>
#include <set>

namespace assay {
namespace {

using Problems = std::vector<std::string>;

/// Ranks exchange their times in single precision; all else is written to the last bit.
bool equal(double a, double b) {
  constexpr double kRounding = 1e-6;
  return std::abs(a - b) <= kRounding * std::max(std::abs(a), std::abs(b));
}

/// Why no suite can ask for the case; empty where one can.  A file's numbers are anyone's: beyond these bounds their
/// products overflow, and lists as long as they say (the rows of each group) have no end.
std::string reason_impossible(const Case& point, const WorkloadKind& kind) {
  for (const AxisSpec& axis : kind.axes) {
    if (axis.free_word || !axis.words.empty()) continue;
    const std::int64_t number = point.number_or(axis.name, axis.minimum);
    if (number < axis.minimum || number > axis.maximum)
      return fmt::format("{}={}, expected {} to {}", axis.name, number, axis.minimum, axis.maximum);
  }
  return kind.validate ? kind.validate(point) : std::string();
}

/// The work is the case's, whoever measured it: more of it would be a higher rate from the same times.
void check_work(const Record& record, const WorkloadKind& kind, const std::string& place, Problems& out) {
  Work counted;
  try {
    if (const std::string why = reason_impossible(record.point, kind); !why.empty()) {
      out.push_back(fmt::format("{}/case: {} is impossible: {}", place, record.point.id(), why));
      return;
    }
    counted = kind.work(record.point, int(record.point.number_or("ranks", 1)));
  } catch (const std::exception&) {
    return;  // a unit or an axis that only another build has, as a GPU's
  }
  if (!(counted.flops > 0) && !(counted.bytes > 0)) return;  // only who runs knows: peaks are a matter of threads
  const auto check = [&](const char* key, double written, double expected) {
    if (!equal(written, expected))
      out.push_back(
          fmt::format("{}/work/{}: is {:.9g}, and this program counts {:.9g}", place, key, written, expected));
  };
  check("flops", record.work.flops, counted.flops);
  check("bytes", record.work.bytes, counted.bytes);
  check("bus_factor", record.work.bus_factor, counted.bus_factor);
}

/// A yardstick that is not called one is no yardstick, and ours would be its own.
void check_vendor(const Record& record, const WorkloadKind& kind, const std::string& place, Problems& out) {
  const KernelSpec* kernel = find_kernel(kind, record.point.kernel);
  if (kernel && kernel->vendor != record.vendor)
    out.push_back(fmt::format("{}/vendor: is {}, and {} is {}", place, record.vendor, record.point.kernel,
                              kernel->vendor ? "a library's kernel" : "one of ours"));
}

void check_stop(const Measurement& m, const SamplingRule& rule, const std::string& place, Problems& out) {
  const auto n = int(std::min<std::size_t>(m.seconds.size(), 1u << 30));
  constexpr double kLeastOfBudget = 0.5;  // the next sample would have passed it: a long one may have half of it left
  if (m.stop == StopReason::interval && n < rule.min_samples)
    out.push_back(fmt::format("{}/measurement: stopped by its interval after {} samples, and the rule asks for {}",
                              place, n, rule.min_samples));
  if (m.stop == StopReason::max_samples && n < rule.max_samples)
    out.push_back(
        fmt::format("{}/measurement: stopped by the number of samples after {} of {}", place, n, rule.max_samples));
  if (m.stop == StopReason::wall_budget && n < rule.min_samples && m.seconds.size() > 1 &&
      !(m.wall_seconds >= kLeastOfBudget * rule.wall_seconds))
    out.push_back(fmt::format("{}/measurement: stopped by its time after {:.3g} of {:.3g} s", place, m.wall_seconds,
                              rule.wall_seconds));
}

/// A sample of several ranks is the slowest one's.
void check_ranks(const Measurement& m, const std::string& place, Problems& out) {
  for (std::size_t i = 0; !m.rank_seconds.empty() && i < m.rank_seconds.front().size(); ++i) {
    double slowest = 0;
    for (const auto& rank : m.rank_seconds) slowest = std::max(slowest, rank[i]);
    const std::size_t sample = i * std::size_t(m.rank_stride);
    if (equal(slowest, m.seconds[sample])) continue;
    out.push_back(fmt::format("{}/measurement: sample {} took {:.6g} s, and its slowest rank {:.6g} s", place, sample,
                              m.seconds[sample], slowest));
    return;
  }
}

void check_power(const Record& record, const std::string& place, Problems& out) {
  constexpr double kMost = 1.5;  // of the cap: regulators overshoot for milliseconds, not over a window
  for (const Telemetry& t : record.telemetry) {
    if (!t.energy_joules || !t.power_cap_watts || !(t.window_seconds > 0)) continue;
    const double watts = *t.energy_joules / t.window_seconds;
    if (!(watts <= kMost * *t.power_cap_watts))
      out.push_back(fmt::format("{}/telemetry: {} took {:.4g} W under a cap of {:.4g} W", place, t.device, watts,
                                *t.power_cap_watts));
  }
}

/// Seconds since 1970 of "2026-01-31T12:34:56Z"; nothing where it is none.
std::optional<double> seconds_of(const std::string& utc) {
  std::tm parts{};
  const char* end = strptime(utc.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  if (!end || *end) return std::nullopt;
  return double(timegm(&parts));
}

/// Enough different samples that no two cases have the same ones by chance, on however coarse a clock.
bool is_telling(const std::vector<double>& seconds) {
  constexpr std::size_t kLeast = 5;
  return std::set<double>(seconds.begin(), seconds.end()).size() >= kLeast;
}

void check_copies(const Result& result, Problems& out) {
  std::map<std::vector<double>, std::size_t> first;
  for (std::size_t i = 0; i < result.records.size(); ++i) {
    const auto& seconds = result.records[i].measurement.seconds;
    if (!is_telling(seconds)) continue;
    const auto [found, fresh] = first.try_emplace(seconds, i);
    if (!fresh)
      out.push_back(fmt::format("/records/{}/measurement: its samples are those of /records/{}, to the last bit", i,
                                found->second));
  }
}

/// Streams past the caches that read and write one memory are of one order.
void check_streams(const Result& result, Problems& out) {
  constexpr double kMost = 4;  // times: reads alone are faster than copies by less than two
  std::map<std::string, std::pair<std::size_t, std::size_t>> range;  // of a device: the slowest and the fastest record
  const auto rate = [&](std::size_t i) { return rates(result.records[i])->bytes_per_second.value_or(0); };
  for (std::size_t i = 0; i < result.records.size(); ++i) {
    const Record& record = result.records[i];
    if (record.point.workload != "peak" || record.point.cache != Cache::cold || record.work.flops > 0 ||
        !(record.work.bytes > 0) || !rates(record))
      continue;
    const std::string key = fmt::format("{} together={}", record.point.device_name(), record.point.together);
    auto& [slowest, fastest] = range.try_emplace(key, i, i).first->second;
    if (rate(i) < rate(slowest)) slowest = i;
    if (rate(i) > rate(fastest)) fastest = i;
  }
  for (const auto& [device, ends] : range)
    if (const auto [slowest, fastest] = ends; !(rate(fastest) <= kMost * rate(slowest)))
      out.push_back(fmt::format("/records/{}: {} is {:.1f} times as fast as {}: streams of one memory", fastest,
                                result.records[fastest].point.id(), rate(fastest) / rate(slowest),
                                result.records[slowest].point.id()));
}

/// On a CPU one case runs at a time, but for those that take turns: these began together.
bool one_at_a_time(const Record& record) {
  return record.point.device == Device::cpu && record.point.together <= 1 && record.point.core < 0 && !record.soak &&
         record.measurement.in_turns == 1;
}

void check_duration(const Result& result, Problems& out) {
  const auto started = result.provenance.value("started_utc", nlohmann::ordered_json());
  const auto run = started.is_string() ? seconds_of(started.get<std::string>()) : std::nullopt;
  if (!run) return;
  constexpr double kClock = 2;  // seconds: starts are written to one, and a clock may be set
  double last = *run;
  for (std::size_t i = 0; i < result.records.size(); ++i) {
    const auto at = seconds_of(result.records[i].started_utc);
    if (!at) continue;
    last = std::max(last, *at);
    if (*at < *run - kClock)
      out.push_back(fmt::format("/records/{}/started_utc: {} is before the run, {}", i, result.records[i].started_utc,
                                started.get<std::string>()));
  }
  double sampled = 0;
  for (const Record& record : result.records)
    if (const auto at = seconds_of(record.started_utc); at && *at < last && one_at_a_time(record))
      sampled += record.measurement.wall_seconds;
  if (!(sampled <= last - *run + kClock))
    out.push_back(fmt::format("/records: cases that took {:.0f} s began within {:.0f} s of the run's start", sampled,
                              last - *run));
}

}  // namespace

void check_record(const Record& record, const Result& result, const Catalog& catalog, const std::string& place,
                  Problems& out) {
  if (const WorkloadKind* kind = find_workload(catalog, record.point.workload)) {
    check_work(record, *kind, place, out);
    check_vendor(record, *kind, place, out);
  }
  if (record.outcome.ok() && record.check->digest.empty())
    out.push_back(place + "/check/digest: is missing: nothing says which output was checked");
  if (record.measurement.seconds.empty()) return;
  if (!(record.measurement.wall_seconds > 0)) out.push_back(place + "/measurement/wall_seconds: samples took no time");
  if (record.outcome.ok() && !record.soak && !record.selftest && !result.provenance.contains("thinned"))
    check_stop(record.measurement, result.sampling, place, out);
  check_ranks(record.measurement, place, out);
  check_power(record, place, out);
}

void check_together(const Result& result, Problems& out) {
  check_copies(result, out);
  check_streams(result, out);
  check_duration(result, out);
}

}  // namespace assay
