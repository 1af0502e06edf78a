#include "harness/suite/entry.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/core/error.h"
#include "harness/suite/json_reader.h"
#include "harness/suite/keys.h"
#include "harness/suite/wording.h"

namespace assay {
namespace {

using nlohmann::ordered_json;

/// Keys that hold no list.
constexpr const char* kPlainKeys[] = {"workload", "description", "shapes", "in_turns"};

std::vector<std::string> names_of(const std::vector<KeySpec>& keys) {
  std::vector<std::string> names;
  for (const auto& key : keys) names.push_back(key.name);
  return names;
}

const WorkloadKind& workload_of(const ordered_json& json, const std::string& place, const Catalog& catalog) {
  const auto name = json["workload"].get<std::string>();
  if (const auto* kind = find_workload(catalog, name)) return *kind;
  std::vector<std::string> names;
  for (const auto& kind : catalog) names.push_back(kind.name);
  throw InputError(fmt::format("{}/workload: no workload is called \"{}\"; there are {}{}", place, printable(name),
                               join(names), did_you_mean(name, names)));
}

/// `pass` is an axis of some workloads; of others only models have it.
bool has_axis(const WorkloadKind& kind, std::string_view name) {
  return std::any_of(kind.axes.begin(), kind.axes.end(), [&](const AxisSpec& axis) { return axis.name == name; });
}

Values read_values(const KeySpec& key, const ordered_json& json, const std::string& place) {
  Values values{{}, place};
  if (!json.is_array()) {
    values.list.push_back(read_value(key, json, place));
    return values;
  }
  if (json.empty()) throw InputError(fmt::format("{}: is an empty list, expected at least one value", place));
  for (std::size_t i = 0; i < json.size(); ++i)
    values.list.push_back(read_value(key, json[i], fmt::format("{}/{}", place, i)));
  return values;
}

Shape read_shape(const ordered_json& json, const WorkloadKind& kind, const std::string& place) {
  Shape shape;
  for (const auto& [name, value] : json.items()) {
    const auto axis = std::find_if(kind.axes.begin(), kind.axes.end(),
                                   [&, &name = name](const AxisSpec& a) { return a.name == name; });
    if (axis == kind.axes.end()) {
      std::vector<std::string> axes;
      for (const auto& a : kind.axes) axes.push_back(a.name);
      throw InputError(fmt::format("{}: {} has no axis \"{}\"; it has {}{}", place, kind.name, printable(name),
                                   join(axes), did_you_mean(name, axes)));
    }
    shape.axes.push_back({name, read_value(to_key(*axis), value, place + "/" + name)});
  }
  return shape;
}

/// All shapes must name the same axes: an axis that only some name would be taken from elsewhere in the others.
void read_shapes(const ordered_json& json, Entry& entry) {
  const auto sorted_names = [](const Shape& shape) {
    std::vector<std::string> names;
    for (const auto& axis : shape.axes) names.push_back(axis.name);
    std::sort(names.begin(), names.end());
    return names;
  };
  for (std::size_t i = 0; i < json.size(); ++i) {
    const std::string place = fmt::format("{}/shapes/{}", entry.place, i);
    entry.shapes.push_back(read_shape(json[i], *entry.kind, place));
    if (sorted_names(entry.shapes.back()) != sorted_names(entry.shapes.front()))
      throw InputError(fmt::format("{}: names the axes {}, expected those of the first shape: {}", place,
                                   join(sorted_names(entry.shapes.back())), join(sorted_names(entry.shapes.front()))));
  }
  for (const auto& axis : entry.shapes.front().axes)
    if (entry.find(axis.name))
      throw InputError(fmt::format("{}/{}: is given here and in \"shapes\", expected once", entry.place, axis.name));
}

/// What a model decides cannot be given beside it, and what only a model uses cannot be given without.
void check_model_keys(const Entry& entry) {
  constexpr const char* kNeedModel[] = {"tensor_parallel", "expert_parallel", "tokens", "pass", "layer", "message"};
  if (!entry.find("model")) {
    for (const char* key : kNeedModel)
      if (entry.find(key) && !has_axis(*entry.kind, key))
        throw InputError(fmt::format("{}/{}: means something only together with \"model\"", entry.place, key));
    return;
  }
  const auto decided = model_axes(*entry.kind);
  const auto in_shapes = [&](const std::string& axis) {
    return !entry.shapes.empty() && std::any_of(entry.shapes[0].axes.begin(), entry.shapes[0].axes.end(),
                                                [&](const CaseAxis& a) { return a.name == axis; });
  };
  for (const auto& axis : decided)
    if (entry.find(axis) || in_shapes(axis))
      throw InputError(fmt::format("{}/{}: comes from \"model\" (with {}); expected one of the two", entry.place, axis,
                                   join(decided)));
  if (find_key(keys_of(*entry.kind), "tokens") && !entry.find("tokens"))
    throw InputError(fmt::format("{}: lacks the key \"tokens\", which \"model\" needs", entry.place));
}

}  // namespace

const Values* Entry::find(std::string_view key) const {
  const auto found = values.find(key);
  return found == values.end() ? nullptr : &found->second;
}

Entry read_entry(const ordered_json& json, const ordered_json& defaults, const std::string& source,
                 const std::string& pointer, const Catalog& catalog) {
  Entry entry;
  entry.place = fmt::format("{}: {}", source, pointer);
  entry.kind = &workload_of(json, entry.place, catalog);
  const auto keys = keys_of(*entry.kind);
  for (const auto& [name, value] : json.items()) {
    if (std::find(std::begin(kPlainKeys), std::end(kPlainKeys), name) != std::end(kPlainKeys)) continue;
    const KeySpec* key = find_key(keys, name);
    if (!key) {
      auto known = names_of(keys);
      known.insert(known.end(), std::begin(kPlainKeys), std::end(kPlainKeys));
      throw InputError(fmt::format("{}/{}: unknown key, {} takes {}{}", entry.place, printable(name), entry.kind->name,
                                   join(known), did_you_mean(name, known)));
    }
    entry.values[name] = read_values(*key, value, fmt::format("{}/{}", entry.place, name));
  }
  for (const auto& [name, value] : defaults.items())
    if (!entry.find(name))
      entry.values[name] = read_values(*find_key(keys, name), value, fmt::format("{}: /defaults/{}", source, name));
  entry.in_turns = json.value("in_turns", "");
  if (json.contains("shapes")) read_shapes(json["shapes"], entry);
  check_model_keys(entry);
  return entry;
}

void apply_overrides(std::vector<Entry>& entries, const std::vector<AxisOverride>& overrides) {
  constexpr const char* kModelKeys[] = {"model", "tensor_parallel", "expert_parallel", "tokens",
                                        "pass",  "layer",           "message"};
  for (const auto& [axis, texts] : overrides) {
    if (axis == "device" || axis == "workload") continue;  // these narrow: narrow(), parse_suite()
    const std::string place = fmt::format("--set {}", axis);
    const bool of_models = std::find(std::begin(kModelKeys), std::end(kModelKeys), axis) != std::end(kModelKeys);
    bool had = false;
    std::vector<std::string> known;
    for (auto& entry : entries) {
      const auto keys = keys_of(*entry.kind);
      const KeySpec* key = find_key(keys, axis);
      for (const auto& k : keys)
        if (std::find(known.begin(), known.end(), k.name) == known.end()) known.push_back(k.name);
      if (!key || (of_models && !has_axis(*entry.kind, axis) && !entry.find("model"))) continue;
      Values values{{}, place};
      for (const auto& text : texts) values.list.push_back(read_value(*key, text, place));
      entry.values[axis] = std::move(values);
      entry.kernel_overridden |= axis == "kernel";
      had = true;
    }
    if (!had && of_models && std::find(known.begin(), known.end(), axis) != known.end())
      throw InputError(
          fmt::format("{}: no case of the suite comes from a model, expected a suite that names one", place));
    if (!had)
      throw InputError(fmt::format("{}: no case of the suite has such an axis; there are {}, workload{}", place,
                                   join(known), did_you_mean(axis, known)));
  }
}

}  // namespace assay
