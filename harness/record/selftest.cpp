#include "harness/record/selftest.h"

#include <algorithm>
#include <cmath>

#include "harness/record/json_fields.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kTolerated = 0.05;  // false alarms: one in twenty, as of a 95 % interval

/// Either way: which of two equals is called the base is chance.
bool crosses(double first, double second, double percent) {
  return !(std::max(first, second) / std::min(first, second) - 1 <= percent / 100);
}

std::vector<double> times_from_json(const JsonFields& in, const char* key) {
  std::vector<double> out;
  if (!in.at(key).is_array() || in.at(key).empty()) in.fail(key, "expected a list of times");
  for (const auto& one : in.at(key)) {
    const double seconds = one.is_number() ? one.get<double>() : std::nan("");
    if (!(seconds > 0) || !std::isfinite(seconds)) in.fail(key, "expected finite numbers above 0");
    out.push_back(seconds);
  }
  return out;
}

}  // namespace

double false_alarms_in_turns(const Selftest& test, double percent) {
  std::size_t crossed = 0;
  for (std::size_t i = 0; i < test.a_seconds.size(); ++i)
    crossed += crosses(test.a_seconds[i], test.b_seconds[i], percent);
  return double(crossed) / double(test.a_seconds.size());
}

double false_alarms_apart(const Selftest& test, double percent) {
  std::size_t crossed = 0, pairs = 0;
  for (std::size_t i = 0; i < test.a_seconds.size(); ++i)
    for (std::size_t j = 0; j < i; ++j, ++pairs) crossed += crosses(test.a_seconds[i], test.a_seconds[j], percent);
  return pairs == 0 ? 0 : double(crossed) / double(pairs);
}

double spread(const Selftest& test) {
  std::vector<double> all = test.a_seconds;
  all.insert(all.end(), test.b_seconds.begin(), test.b_seconds.end());
  const auto [least, most] = std::minmax_element(all.begin(), all.end());
  return *most / *least - 1;
}

std::optional<double> resolved_percent(const Selftest& test, double (*false_alarms)(const Selftest&, double)) {
  for (const double percent : kSelftestMargins)
    if (false_alarms(test, percent) <= kTolerated) return percent;
  return std::nullopt;
}

Json to_json(const Selftest& test) {
  Json alarms = Json::array();
  for (const double percent : kSelftestMargins)
    alarms.push_back({{"percent", percent},
                      {"in_turns", false_alarms_in_turns(test, percent)},
                      {"apart", false_alarms_apart(test, percent)}});
  const auto or_null = [](const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); };
  return {{"a_seconds", test.a_seconds},
          {"b_seconds", test.b_seconds},
          {"floor_seconds", finite_or_null(test.floor_seconds)},
          {"timer_seconds", finite_or_null(test.timer_seconds)},
          {"spread", spread(test)},
          {"false_alarms", alarms},
          {"resolved_percent_in_turns", or_null(resolved_percent(test, false_alarms_in_turns))},
          {"resolved_percent_apart", or_null(resolved_percent(test, false_alarms_apart))}};
}

// What is derived is derived again.
Selftest selftest_from_json(const Json& json, const std::string& source, const std::string& place) {
  const JsonFields in(json, source, place);
  Selftest test;
  test.a_seconds = times_from_json(in, "a_seconds");
  test.b_seconds = times_from_json(in, "b_seconds");
  if (test.a_seconds.size() != test.b_seconds.size()) in.fail("b_seconds", "expected as many as \"a_seconds\" has");
  test.floor_seconds = in.number_or("floor_seconds", 0);
  test.timer_seconds = in.number_or("timer_seconds", 0);
  return test;
}

}  // namespace assay
