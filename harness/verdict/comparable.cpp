#include "harness/verdict/comparable.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kCrewAxes[] = {"ranks", "threads"};

bool is_crew_axis(const CaseAxis& axis) {
  return std::find(std::begin(kCrewAxes), std::end(kCrewAxes), axis.name) != std::end(kCrewAxes);
}

std::string value_of(const Case& point, std::string_view name) {
  for (const auto& axis : point.axes)
    if (axis.name == name) return to_string(axis.value);
  return "unset";
}

/// "/cpu/model" of the provenance as text; empty where it is not there.
std::string at(const Json& provenance, const char* pointer) {
  const Json::json_pointer place(pointer);
  if (!provenance.contains(place)) return {};
  const Json& value = provenance.at(place);
  if (value.is_null()) return {};
  return value.is_string() ? value.get<std::string>() : value.dump();
}

struct Condition {
  const char* what;
  const char* pointer;
};

constexpr Condition kConditions[] = {{"host", "/system/hostname"},
                                     {"CPU", "/cpu/model"},
                                     {"microcode", "/cpu/microcode"},
                                     {"governor", "/cpu/governor"},
                                     {"GPU", "/gpus/0/name"},
                                     {"GPU's power limit in watts", "/gpus/0/power_limit_watts"},
                                     {"driver", "/gpus/0/driver_version"},
                                     {"kernel", "/system/kernel"},
                                     {"assay's revision", "/build/revision"},
                                     {"uncommitted changes", "/build/dirty"},
                                     {"build type", "/build/type"},
                                     {"compiler", "/build/compiler"},
                                     {"flags", "/build/flags"},
                                     {"CUDA compiler", "/build/cuda_compiler"},
                                     {"libraries", "/libraries"},
                                     {"environment", "/environment"}};

}  // namespace

std::string work_id(const Case& point) {
  Case work = point;
  std::erase_if(work.axes, is_crew_axis);
  work.cache = {};
  work.mode = {};
  work.data = {};
  work.seed = 0;
  return work.id();
}

std::string differing_conditions(const Case& base, const Case& next) {
  std::string out;
  const auto add = [&](const std::string& what, const std::string& b, const std::string& n) {
    if (b != n) out += fmt::format("{}{} {} and {}", out.empty() ? "" : ", ", what, b, n);
  };
  add("cache", name(base.cache), name(next.cache));
  add("mode", name(base.mode), name(next.mode));
  add("data", name(base.data), name(next.data));
  add("seed", std::to_string(base.seed), std::to_string(next.seed));
  for (const char* axis : kCrewAxes) add(axis, value_of(base, axis), value_of(next, axis));
  return out;
}

std::vector<Difference> differences_of(const Result& base, const Result& next) {
  std::vector<Difference> out;
  for (const auto& [what, pointer] : kConditions) {
    const std::string b = at(base.provenance, pointer), n = at(next.provenance, pointer);
    if (b != n) out.push_back({what, b, n});
  }
  return out;
}

std::string differing_crew(const Result& base, const Result& next) {
  const auto differ = [&](const char* pointer, const char* what) {
    const std::string b = at(base.provenance, pointer), n = at(next.provenance, pointer);
    return b == n || b.empty() || n.empty() ? std::string() : fmt::format("{} and {} {}", b, n, what);
  };
  const std::string threads = differ("/run/threads", "threads");
  return threads.empty() ? differ("/run/ranks", "processes") : threads;
}

std::string another_machine(const Result& base, const Result& other) {
  for (const auto& [what, b, n] : differences_of(base, other))
    if (what == "host" || what == "CPU" || what == "GPU") return fmt::format("{} differs: {} and {}", what, b, n);
  const std::string crew = differing_crew(base, other);
  return crew.empty() ? crew : "it ran with other threads or processes: " + crew;
}

}  // namespace assay
