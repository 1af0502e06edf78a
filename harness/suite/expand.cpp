// Entries multiplied out into cases.
#include <fmt/format.h>

#include <algorithm>

#include "harness/core/error.h"
#include "harness/suite/entry.h"
#include "harness/suite/keys.h"
#include "harness/suite/wording.h"

namespace assay {
namespace {

/// One factor of the product: an axis of the workload or a common key, with the values it takes.
struct Factor {
  std::string name;
  std::vector<AxisValue> values;
};

/// The workload's axes that `shape` does not fix, in the workload's order: slowest first.
std::vector<Factor> free_axes(const Entry& entry, const Shape& shape) {
  std::vector<Factor> factors;
  for (const auto& axis : entry.kind->axes) {
    const bool fixed =
        std::any_of(shape.axes.begin(), shape.axes.end(), [&](const CaseAxis& a) { return a.name == axis.name; });
    const Values* given = entry.find(axis.name);
    if (fixed) continue;
    if (given)
      factors.push_back({axis.name, given->list});
    else if (axis.default_value)
      factors.push_back({axis.name, {*axis.default_value}});
    else
      throw InputError(fmt::format("{}: lacks the axis \"{}\" ({}), which {} needs", entry.place, axis.name,
                                   axis.meaning, entry.kind->name));
  }
  return factors;
}

/// cache, mode, data and seed: after the axes, so that a table shows cold beside hot.
std::vector<Factor> common_factors(const Entry& entry) {
  const std::pair<const char*, AxisValue> defaults[] = {
      {"cache", "cold"}, {"mode", "burst"}, {"data", "normal"}, {"seed", std::int64_t(1)}};
  std::vector<Factor> factors;
  for (const auto& [name, otherwise] : defaults) {
    const Values* given = entry.find(name);
    factors.push_back({name, given ? given->list : std::vector<AxisValue>{otherwise}});
  }
  return factors;
}

/// An override outranks what a shape fixed; the shape is then no longer the model's.
Shape without_overridden(Shape shape, const Entry& entry) {
  const auto overridden = [&](const CaseAxis& axis) { return entry.find(axis.name) != nullptr; };
  const auto kept = std::remove_if(shape.axes.begin(), shape.axes.end(), overridden);
  if (kept != shape.axes.end()) shape.labels.clear();
  shape.axes.erase(kept, shape.axes.end());
  return shape;
}

/// Counts before anything is built: the product of a small file can be astronomic.
void check_count(const Entry& entry, const std::vector<Factor>& factors, std::size_t others, std::size_t so_far) {
  std::int64_t count = std::int64_t(others);
  bool overflow = false;
  std::string product = std::to_string(others);
  for (const auto& factor : factors) {
    overflow |= __builtin_mul_overflow(count, std::int64_t(factor.values.size()), &count);
    if (factor.values.size() > 1) product += fmt::format(" x {} ({})", factor.values.size(), factor.name);
  }
  if (!overflow && count <= kMaxCases - std::int64_t(so_far)) return;
  throw InputError(fmt::format(
      "{}: {} shapes and kernels{} cases, beside {} of earlier entries: expected at most {} in a suite", entry.place,
      printable(product, 200), overflow ? " are more than 2^63" : fmt::format(" = {}", count), so_far, kMaxCases));
}

const AxisValue& value_of(const std::vector<CaseAxis>& chosen, std::string_view name) {
  return std::find_if(chosen.begin(), chosen.end(), [&](const CaseAxis& a) { return a.name == name; })->value;
}

void check_bounds(const Entry& entry, const AxisSpec& axis, const AxisValue& value) {
  const auto* number = std::get_if<std::int64_t>(&value);
  if (number && (*number < axis.minimum || *number > axis.maximum))
    throw InputError(fmt::format("{}: {} is {}, expected a whole number from {} to {}", entry.place, axis.name, *number,
                                 axis.minimum, axis.maximum));
}

/// A case without kernel, device and dtype.
Case make_case(const Entry& entry, const std::vector<CaseAxis>& chosen, const std::vector<std::string>& labels) {
  Case point;
  point.workload = entry.kind->name;
  for (const auto& axis : entry.kind->axes) {
    const AxisValue& value = value_of(chosen, axis.name);
    check_bounds(entry, axis, value);  // derived shapes have not been through a reader
    if (!axis.optional || value != axis.default_value) point.axes.push_back({axis.name, value});
  }
  parse(std::get<std::string>(value_of(chosen, "cache")), point.cache);
  parse(std::get<std::string>(value_of(chosen, "mode")), point.mode);
  parse(std::get<std::string>(value_of(chosen, "data")), point.data);
  point.seed = std::uint64_t(std::get<std::int64_t>(value_of(chosen, "seed")));
  point.labels = labels;
  return point;
}

/// The group's name for this case: "{bytes}" in it stands for the case's value, "{dtype}" for its dtype.
std::string group_of(const Entry& entry, const Case& point, const std::vector<CaseAxis>& chosen) {
  std::string out;
  for (std::size_t at = 0; at < entry.in_turns.size();) {
    const std::size_t open = entry.in_turns.find('{', at), close = entry.in_turns.find('}', open);
    out += entry.in_turns.substr(at, open - at);
    if (open == std::string::npos) break;
    const std::string word = entry.in_turns.substr(open + 1, close - open - 1);
    const auto axis = std::find_if(chosen.begin(), chosen.end(), [&](const CaseAxis& a) { return a.name == word; });
    if (close == std::string::npos || (axis == chosen.end() && word != "dtype"))
      throw InputError(fmt::format("{}: in_turns is '{}', expected only {{dtype}} and axes of {} in braces",
                                   entry.place, printable(entry.in_turns), entry.kind->name));
    out += word == "dtype" ? name(point.dtype) : to_string(axis->value);
    at = close + 1;
  }
  return out;
}

/// Calls `visit` with every combination, the last factor fastest.
template <class Visit>
void for_each_combination(const std::vector<Factor>& factors, std::vector<CaseAxis> chosen, const Visit& visit) {
  std::vector<std::size_t> at(factors.size(), 0);
  const std::size_t fixed = chosen.size();
  for (const auto& factor : factors) chosen.push_back({factor.name, factor.values.front()});
  while (true) {
    visit(chosen);
    std::size_t i = factors.size();
    while (i > 0 && ++at[i - 1] == factors[i - 1].values.size()) at[--i] = 0;
    if (i == 0) return;
    for (std::size_t j = i - 1; j < factors.size(); ++j) chosen[fixed + j].value = factors[j].values[at[j]];
  }
}

}  // namespace

void Expander::refuse(const Entry& entry, const std::string& why) {
  const std::string text = fmt::format("{}: {}", entry.place, why);
  if (!merging_) throw InputError(text);
  if (impossible_.empty()) impossible_ = text;
  if (last_refused_ == entry.place) return;  // one line an entry: its other cases lack the same
  last_refused_ = entry.place;
  suite_.notes.push_back(text);
}

void Expander::finish() const {
  if (suite_.cases.empty() && !impossible_.empty()) throw InputError(impossible_);
}

void Expander::emit(const Entry& entry, Case&& point) {
  if (entry.kind->validate)
    if (const std::string reason = entry.kind->validate(point); !reason.empty())
      return refuse(entry, fmt::format("{} is impossible: {}", point.id(), reason));
  const auto [known, fresh] = seen_.try_emplace(point.id(), Origin{suite_.cases.size(), entry.place, entry.derived});
  if (fresh) {
    suite_.cases.push_back(std::move(point));
    return;
  }
  const Origin& origin = known->second;
  if (!merging_ && !entry.derived && !origin.derived)
    throw InputError(fmt::format("{}: repeats the case {} of {}", entry.place, known->first,
                                 origin.place == entry.place ? "the same entry" : origin.place));
  auto& labels = suite_.cases[origin.index].labels;
  for (const auto& label : point.labels)
    if (std::find(labels.begin(), labels.end(), label) == labels.end()) labels.push_back(label);
}

void Expander::add(const Entry& entry) {
  const auto choices = choose_kernels(entry, machine_, suite_.notes);
  const auto common = common_factors(entry);
  const std::vector<Shape> plain(1);
  const auto& shapes = entry.shapes.empty() && !entry.derived ? plain : entry.shapes;
  for (const auto& written : shapes) {
    const Shape shape = without_overridden(written, entry);
    auto fitting = choices;
    std::erase_if(fitting, [&](const KernelChoice& choice) { return !shape.fits(choice.dtype); });
    auto factors = free_axes(entry, shape);
    factors.insert(factors.end(), common.begin(), common.end());
    check_count(entry, factors, fitting.size() * shapes.size(), suite_.cases.size());
    for_each_combination(factors, shape.axes, [&](const std::vector<CaseAxis>& chosen) {
      Case point = make_case(entry, chosen, shape.labels);
      for (const auto& choice : fitting) {
        Case complete = point;
        complete.kernel = choice.kernel->name;
        complete.device = choice.device;
        complete.device_index = choice.device_index;
        complete.dtype = choice.dtype;
        complete.in_turns = group_of(entry, complete, chosen);
        emit(entry, std::move(complete));
      }
    });
  }
}

}  // namespace assay
