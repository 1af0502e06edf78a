#include "harness/publish/endurance.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/publish/units.h"

namespace assay {
namespace {

std::string shape_of(const Case& point) {
  std::string out;
  for (const auto& axis : point.axes)
    out += fmt::format("{}{}={}", out.empty() ? "" : " ", axis.name, to_string(axis.value));
  return out;
}

std::string case_cells(const Case& point) {
  return fmt::format("| {} {} | {} | {} |", point.workload, point.kernel, name(point.dtype), shape_of(point));
}

std::string seconds(double value) { return format_seconds(value, {}, {}); }

/// Of its work for each launch; seconds a launch where it counts none.
std::string rate(const Record& record, double seconds_per_launch) {
  if (record.work.flops > 0) return format_flops(record.work.flops / seconds_per_launch, {}, {}, {});
  if (record.work.bytes > 0) return format_bytes_rate(record.work.bytes / seconds_per_launch, {}, {}, {});
  return seconds(seconds_per_launch);
}

std::string throttled(const Soak& soak) {
  if (!soak.throttle) return "too short to tell";
  if (!soak.throttle->at_seconds) return "never";
  return fmt::format("after {:.0f} s, for {:.0f} s", *soak.throttle->at_seconds, soak.throttle->lasted_seconds);
}

std::string percent(double share) { return fmt::format("{:.1f} %", 100 * share); }

std::string resolved(const std::optional<double>& margin) { return margin ? fmt::format("{:g} %", *margin) : "none"; }

}  // namespace

std::string to_soak_summary(const Result& result) {
  std::string out;
  for (const auto& record : result.records) {
    if (!record.soak || record.soak->intervals.empty()) continue;
    const Soak& soak = *record.soak;
    const auto slower = [](const SoakInterval& a, const SoakInterval& b) {
      return a.seconds_per_launch() < b.seconds_per_launch();
    };
    const auto [fastest, slowest] = std::minmax_element(soak.intervals.begin(), soak.intervals.end(), slower);
    out += fmt::format("{} {} | {} | {} | {} | {} | {} of {} | {} | {} |\n", case_cells(record.point),
                       record.point.device_name(), soak.throttle ? rate(record, soak.throttle->baseline_seconds) : "",
                       rate(record, slowest->seconds_per_launch()), rate(record, fastest->seconds_per_launch()),
                       throttled(soak), soak.digested, soak.launches, soak.corrupted, soak.digest);
  }
  if (out.empty()) return {};
  const auto& first =
      std::find_if(result.records.begin(), result.records.end(), [](const auto& r) { return r.soak.has_value(); });
  return fmt::format(
             "\nSoaked for {:.0f} s of {:.0f} s; a throttle is a throughput that stays {:g} % below the first settled "
             "minute's:\n\n"
             "| case | dtype | shape | device | settled | slowest | fastest | throttled | outputs compared | other "
             "bits | "
             "digest |\n|---|---|---|---|---:|---:|---:|---|---:|---:|---|\n",
             first->soak->lasted_seconds, first->soak->asked_seconds, first->soak->throttle_percent) +
         out;
}

std::string to_selftest_summary(const Result& result) {
  std::string out;
  std::size_t repetitions = 0;
  for (const auto& record : result.records) {
    if (!record.selftest) continue;
    const Selftest& test = *record.selftest;
    repetitions = std::max(repetitions, test.a_seconds.size());
    for (const auto& [how, alarms] : {std::pair("in turns", &false_alarms_in_turns), {"apart", &false_alarms_apart}})
      out += fmt::format("{} {} | {} | {} | {} | {} | {} | {} | {} | {} |\n", case_cells(record.point),
                         record.point.device_name(), how, percent(alarms(test, 1)), percent(alarms(test, 2)),
                         percent(alarms(test, 5)), resolved(resolved_percent(test, alarms)), percent(spread(test)),
                         seconds(test.floor_seconds), seconds(test.timer_seconds));
  }
  if (out.empty()) return {};
  return fmt::format(
             "\nEach case against itself, {} times: how often the two differed by more than 1, 2 and 5 %, in turns "
             "(as the kernels of a point are compared) and apart (as two runs are).  A margin is resolved where "
             "at most one in twenty crossed it:\n\n"
             "| case | dtype | shape | device | compared | > 1 % | > 2 % | > 5 % | resolves | spread | empty launch "
             "| timer |\n|---|---|---|---|---|---:|---:|---:|---:|---:|---:|---:|\n",
             repetitions) +
         out;
}

std::string to_together_summary(const Result& result) {
  std::string out;
  for (const auto& record : result.records) {
    if (record.point.together < 2) continue;
    Case lone = record.point;
    lone.together = 1;
    const auto alone = std::find_if(result.records.begin(), result.records.end(),
                                    [&](const Record& other) { return other.point.id() == lone.id(); });
    const auto with = rates(record), without = alone == result.records.end() ? std::nullopt : rates(*alone);
    if (!with || !without) continue;
    const double before = without->seconds.median, now = with->seconds.median;
    out += fmt::format("{} {} | {} | {} | {} | {} |\n", case_cells(record.point), record.point.device_name(),
                       rate(record, before), record.point.together, rate(record, now), percent(before / now));
  }
  if (out.empty()) return {};
  return "\nEach device alone and all at once; what a device keeps of its lone throughput:\n\n"
         "| case | dtype | shape | device | alone | devices | together | kept "
         "|\n|---|---|---|---|---:|---:|---:|---:|\n" +
         out;
}

}  // namespace assay
