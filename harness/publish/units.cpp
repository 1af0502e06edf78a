#include "harness/publish/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "harness/publish/table/table.h"

namespace assay {
namespace {

struct Unit {
  double size;
  const char* name;
};

constexpr Unit kSeconds[] = {{1, "s"}, {1e-3, "ms"}, {1e-6, "us"}};
constexpr Unit kFlops[] = {{1e12, "TFLOP/s"}, {1e9, "GFLOP/s"}};
constexpr Unit kBytes[] = {{1e9, "GB/s"}};

/// The largest unit that leaves at least 1 before the point; the smallest where none does.
template <std::size_t N>
std::string in_units(const Unit (&units)[N], double value, double low, double high) {
  const auto fits = [&](const Unit& unit) { return std::abs(value) >= unit.size; };
  const Unit* unit = std::find_if(units, units + N, fits);
  if (unit == units + N) --unit;
  return format_with_interval(value / unit->size, low / unit->size, high / unit->size) + " " + unit->name;
}

template <std::size_t N>
std::string rate_in_units(const Unit (&units)[N], const std::optional<double>& rate,
                          const std::optional<double>& seconds, const std::optional<double>& low,
                          const std::optional<double>& high) {
  if (!rate) return {};
  if (!seconds || !low || !high) return in_units(units, *rate, *rate, *rate);
  const double work = *rate * *seconds;
  return in_units(units, *rate, work / *high, work / *low);
}

}  // namespace

std::string format_with_interval(double value, double low, double high) {
  if (!std::isfinite(value)) return "-";
  constexpr int kMostDigits = 6;
  constexpr int kDigitsWithoutInterval = 3;  // no width is no certainty: there were too few samples to have one
  if (value == 0) return "0";
  const int magnitude = int(std::floor(std::log10(std::abs(value))));  // of the first digit
  const double half_width = (high - low) / 2;
  int last = magnitude - (kDigitsWithoutInterval - 1);  // the power of ten of the last digit shown
  if (std::isfinite(half_width) && half_width > 0)
    last = std::max(magnitude - (kMostDigits - 1), int(std::floor(std::log10(half_width))) - 1);
  last = std::min(last, magnitude);  // at least one digit
  const double step = std::pow(10.0, std::abs(last));
  if (last > 0) return fmt::format("{:.0f}", std::round(value / step) * step);
  return fmt::format("{:.{}f}", value, -last);
}

std::string format_seconds(std::optional<double> value, std::optional<double> low, std::optional<double> high) {
  return value ? in_units(kSeconds, *value, low.value_or(*value), high.value_or(*value)) : std::string();
}

std::string format_flops(const std::optional<double>& rate, const std::optional<double>& seconds,
                         const std::optional<double>& low, const std::optional<double>& high) {
  return rate_in_units(kFlops, rate, seconds, low, high);
}

std::string format_bytes_rate(const std::optional<double>& rate, const std::optional<double>& seconds,
                              const std::optional<double>& low, const std::optional<double>& high) {
  return rate_in_units(kBytes, rate, seconds, low, high);
}

std::string format_percent(const std::optional<double>& value) { return value ? fmt::format("{:.1f} %", *value) : ""; }

std::string format_ratio(const std::optional<double>& value) { return value ? fmt::format("{:.2g}", *value) : ""; }

}  // namespace assay
