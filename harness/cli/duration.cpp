#include "harness/cli/duration.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>

#include "harness/core/error.h"

namespace assay {
namespace {

struct Unit {
  char name;
  double seconds;
};
constexpr Unit kUnits[] = {{'s', 1}, {'m', 60}, {'h', 3600}};
constexpr double kLongest = 30 * 24 * 3600.0;  // what configs/schemas/suite.schema.json allows

}  // namespace

double parse_duration(const std::string& text, const std::string& flag) {
  std::uint32_t count = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, count);
  for (const Unit& unit : kUnits) {
    const double seconds = count * unit.seconds;
    if (error == std::errc() && rest + 1 == end && *rest == unit.name && count > 0 && seconds <= kLongest)
      return seconds;
  }
  throw InputError(
      fmt::format("{} {}: expected a whole number of seconds, minutes or hours, as in 90s, 30m or 2h, up "
                  "to 720h",
                  flag, text));
}

double parse_period(const std::string& text, const std::string& flag) {
  if (text == "off") return 0;
  std::uint32_t count = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string unit(rest, text.data() + text.size());
  const double seconds = count * (unit == "ms" ? 1e-3 : 1.0);
  // 10 ms: at a shorter period the looks would be a load of their own.  60 s: what suite.schema.json allows.
  if (error == std::errc() && (unit == "ms" || unit == "s") && seconds >= 0.01 && seconds <= 60) return seconds;
  throw InputError(fmt::format(
      "{} {}: expected off, or a whole number of milliseconds or seconds, as in 100ms or 1s, from 10ms to 60s", flag,
      text));
}

}  // namespace assay
