#include "harness/core/case.h"

#include <fmt/format.h>

#include "harness/core/error.h"
#include "harness/core/names.h"

namespace assay {
namespace {

constexpr Named<Mode> kModes[] = {{Mode::burst, "burst"}, {Mode::sustained, "sustained"}};
constexpr Named<Cache> kCaches[] = {{Cache::cold, "cold"}, {Cache::hot, "hot"}};
constexpr Named<Fill> kFills[] = {
    {Fill::normal, "normal"}, {Fill::uniform, "uniform"}, {Fill::integers, "integers"}, {Fill::zeros, "zeros"}};

const AxisValue* axis_of(const Case& point, std::string_view axis) {
  for (const auto& a : point.axes)
    if (a.name == axis) return &a.value;
  return nullptr;
}

const AxisValue& find_axis(const Case& point, std::string_view axis) {
  if (const AxisValue* value = axis_of(point, axis)) return *value;
  throw InputError(fmt::format("{}: has no axis '{}', which {} has", point.id(), axis, point.workload));
}

}  // namespace

const char* name(Mode value) { return find_name(kModes, value); }
const char* name(Cache value) { return find_name(kCaches, value); }
const char* name(Fill value) { return find_name(kFills, value); }
bool parse(std::string_view text, Mode& out) { return find_value(kModes, text, out); }
bool parse(std::string_view text, Cache& out) { return find_value(kCaches, text, out); }
bool parse(std::string_view text, Fill& out) { return find_value(kFills, text, out); }

std::string to_string(const AxisValue& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  return std::get<std::string>(value);
}

std::string Case::device_name() const {
  if (device == Device::gpu) return fmt::format("gpu{}", device_index);
  return core < 0 ? "cpu" : fmt::format("core{}", core);
}

std::string Case::id() const {
  std::string out = fmt::format("{}/{}/{}/{}", workload, kernel, device_name(), name(dtype));
  for (const auto& axis : axes) out += fmt::format("/{}={}", axis.name, to_string(axis.value));
  out += fmt::format("/{}/{}/{}/seed={}", name(cache), name(mode), name(data), seed);
  return together > 1 ? out + fmt::format("/together={}", together) : out;
}

std::string Case::point_id() const {
  Case anonymous = *this;
  anonymous.kernel.clear();
  std::erase_if(anonymous.axes, [](const CaseAxis& axis) { return axis.name == "config" || axis.name == "algo"; });
  return anonymous.id();
}

std::int64_t Case::number(std::string_view axis) const {
  const auto* value = std::get_if<std::int64_t>(&find_axis(*this, axis));
  if (!value) throw InputError(fmt::format("{}: axis '{}' is a word, expected a number", id(), axis));
  return *value;
}

const std::string& Case::word(std::string_view axis) const {
  const auto* value = std::get_if<std::string>(&find_axis(*this, axis));
  if (!value) throw InputError(fmt::format("{}: axis '{}' is a number, expected a word", id(), axis));
  return *value;
}

std::int64_t Case::number_or(std::string_view axis, std::int64_t otherwise) const {
  return axis_of(*this, axis) ? number(axis) : otherwise;
}

std::string Case::word_or(std::string_view axis, std::string_view otherwise) const {
  return axis_of(*this, axis) ? word(axis) : std::string(otherwise);
}

}  // namespace assay
