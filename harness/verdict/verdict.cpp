#include "harness/verdict/verdict.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ctime>

#include "harness/core/names.h"

namespace assay {
namespace {

constexpr Named<Standing> kStandings[] = {{Standing::fail, "fail"},
                                          {Standing::could_not_measure, "could not measure"},
                                          {Standing::not_judged, "not judged"},
                                          {Standing::pass, "pass"}};

/// "2026-01-31T12:34:56Z"; null for anything else.
std::optional<std::chrono::system_clock::time_point> parse_utc(const std::string& text) {
  std::tm tm{};
  const char* end = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%SZ", &tm);
  if (!end || *end != '\0') return std::nullopt;
  return std::chrono::system_clock::from_time_t(::timegm(&tm));
}

std::string spoken_age(std::chrono::seconds age) {
  const double hours = double(age.count()) / 3600;
  return hours < 48 ? fmt::format("{:.0f} hours", hours) : fmt::format("{:.0f} days", hours / 24);
}

std::string age_problem(const Record& record, const CheckOptions& options) {
  if (!options.max_age) return {};
  const auto started = parse_utc(record.started_utc);
  if (!started) return "it does not say when it was measured";
  const auto age = std::chrono::duration_cast<std::chrono::seconds>(options.now - *started);
  // Clocks of two machines differ by less; a measurement from the future says nothing of its age.
  if (age < std::chrono::seconds(-3600)) return "measured in the future: one of the clocks is wrong";
  if (age > *options.max_age)
    return fmt::format("measured {} ago, --max-age is {}", spoken_age(age), spoken_age(*options.max_age));
  return {};
}

}  // namespace

const char* name(Standing value) { return find_name(kStandings, value); }

std::string unusable(const Record& record, const CheckOptions& options) {
  if (record.outcome.kind != OutcomeKind::ok)
    return fmt::format("{}: {}", name(record.outcome.kind), record.outcome.reason);
  if (!rates(record)) return "it holds no rate";
  const StopReason stop = record.measurement.stop;
  if (stop == StopReason::interrupted || stop == StopReason::timed_out)
    return fmt::format("sampling was cut off ({})", name(stop));
  // Two samples have no middle: one disturbance is half of them.
  constexpr std::size_t kFewest = 3;
  if (record.measurement.seconds.size() < kFewest)
    return fmt::format("{} samples, at least {} are needed", record.measurement.seconds.size(), kFewest);
  return age_problem(record, options);
}

std::optional<double> rate_of(const Rates& derived, RateUnit unit) {
  switch (unit) {
    case RateUnit::flops:
      return derived.flops_per_second;
    case RateUnit::bytes:
      return derived.bytes_per_second;
    case RateUnit::bus_bytes:
      return derived.bus_bytes_per_second;
  }
  return std::nullopt;
}

std::string format_rate(double value, RateUnit unit) {
  const char* const prefixes[] = {"", "k", "M", "G", "T", "P"};
  int power = 0;
  while (std::abs(value) >= 999.5 && power < 5) {
    value /= 1000;
    ++power;
  }
  const std::string unit_text = name(unit);
  const bool bus = unit == RateUnit::bus_bytes;
  const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f} {}{}{}", value, decimals, bus ? "bus " : "", prefixes[power],
                     bus ? unit_text.substr(4) : unit_text);
}

int Verdict::count(Standing standing) const {
  return int(
      std::count_if(judgements.begin(), judgements.end(), [&](const Judgement& j) { return j.standing == standing; }));
}

ExitCode Verdict::code() const {
  if (std::any_of(judgements.begin(), judgements.end(), [](const Judgement& j) { return j.wrong; }))
    return ExitCode::wrong_numbers;
  if (count(Standing::fail) > 0) return ExitCode::verdict_failed;
  if (count(Standing::could_not_measure) > 0 || count(Standing::pass) == 0) return ExitCode::could_not_measure;
  return ExitCode::ok;
}

std::string Verdict::line() const {
  const ExitCode exit = code();
  const char* word = exit == ExitCode::ok                  ? "PASS"
                     : exit == ExitCode::could_not_measure ? "COULD NOT MEASURE"
                     : exit == ExitCode::wrong_numbers     ? "FAIL (wrong numbers)"
                                                           : "FAIL";
  return fmt::format("{}: {} fail, {} could not be measured, {} pass, {} not judged", word, count(Standing::fail),
                     count(Standing::could_not_measure), count(Standing::pass), count(Standing::not_judged));
}

void Verdict::sort_worst_first() {
  const auto share = [](const Judgement& j) { return j.measured && j.expected ? *j.measured / *j.expected : 0; };
  std::stable_sort(judgements.begin(), judgements.end(), [&](const Judgement& a, const Judgement& b) {
    if (a.standing != b.standing) return a.standing < b.standing;
    if (a.wrong != b.wrong) return a.wrong;
    return share(a) < share(b);
  });
}

}  // namespace assay
