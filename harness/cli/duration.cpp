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

}  // namespace assay
