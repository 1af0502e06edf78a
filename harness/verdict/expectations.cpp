#include "harness/verdict/expectations.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "harness/core/error.h"
#include "harness/core/file.h"
#include "harness/core/names.h"
#include "harness/suite/accelerators.h"
#include "harness/suite/embedded.h"
#include "harness/suite/json_schema.h"
#include "harness/suite/wording.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kNotStated = "not stated";
constexpr Named<ExpectationKind> kKinds[] = {
    {ExpectationKind::floor, "floor"}, {ExpectationKind::ratio, "ratio"}, {ExpectationKind::spread, "spread"}};
constexpr Named<RateUnit> kUnits[] = {
    {RateUnit::flops, "FLOP/s"}, {RateUnit::bytes, "B/s"}, {RateUnit::bus_bytes, "bus B/s"}};

template <class T>
std::optional<T> stated_word(const Json& word) {
  T value{};
  if (word == kNotStated || !parse(word.get<std::string>(), value)) return std::nullopt;
  return value;
}

std::optional<double> stated(const Json& conditions, const char* key) {
  if (!conditions.contains(key) || !conditions[key].is_number()) return std::nullopt;
  return conditions[key].get<double>();
}

std::optional<int> stated_count(const Json& conditions, const char* key) {
  if (!conditions.contains(key)) return std::nullopt;
  return conditions[key].get<int>();
}

Conditions conditions_from(const Json& in) {
  Conditions out;
  out.data = stated_word<Fill>(in["data"]);
  out.cache = stated_word<Cache>(in["cache"]);
  out.mode = stated_word<Mode>(in["mode"]);
  out.normal = {stated(in, "clock_mhz"), stated(in, "memory_clock_mhz"), stated(in, "power_cap_watts"),
                stated_count(in, "pcie_generation"), stated_count(in, "pcie_width")};
  return out;
}

template <class T>
Json word_or_not_stated(const std::optional<T>& value) {
  return value ? Json(name(*value)) : Json(kNotStated);
}

Json figure_or_not_stated(const std::optional<double>& value) { return value ? Json(*value) : Json(kNotStated); }

Json to_json(const Conditions& c) {
  Json out = {{"data", word_or_not_stated(c.data)},
              {"cache", word_or_not_stated(c.cache)},
              {"mode", word_or_not_stated(c.mode)},
              {"clock_mhz", figure_or_not_stated(c.normal.clock_mhz)},
              {"power_cap_watts", figure_or_not_stated(c.normal.power_cap_watts)}};
  if (c.normal.memory_clock_mhz) out["memory_clock_mhz"] = *c.normal.memory_clock_mhz;
  if (c.normal.pcie_generation) out["pcie_generation"] = *c.normal.pcie_generation;
  if (c.normal.pcie_width) out["pcie_width"] = *c.normal.pcie_width;
  return out;
}

Expectation entry_from(const Json& in) {
  Expectation e;
  e.name = in["name"];
  find_value(kKinds, in["kind"].get<std::string>(), e.kind);  // the schema lists them, and the units
  e.pattern = in["case"];
  parse(in["unit"].get<std::string>(), e.unit);
  e.value = in["value"];
  e.tolerance = in["tolerance"];
  e.to = in.value("to", std::string());
  e.best = in["of"] == "best";
  e.per_gpu = in["per"] == "gpu";
  if (in.contains("gpus")) e.gpus = in["gpus"].get<int>();
  e.source = in["source"];
  e.date = in["date"];
  e.note = in.value("note", std::string());
  e.low = in.value("low", std::string());
  e.conditions = conditions_from(in["conditions"]);
  return e;
}

Json to_json(const Expectation& e) {
  Json out = {{"name", e.name}, {"kind", name(e.kind)}, {"case", e.pattern}};
  if (!e.to.empty()) out["to"] = e.to;
  out["of"] = e.best ? "best" : "each";
  out["per"] = e.per_gpu ? "gpu" : "node";
  if (e.gpus) out["gpus"] = *e.gpus;
  out["unit"] = name(e.unit);
  out["value"] = e.value;
  out["tolerance"] = e.tolerance;
  out["source"] = e.source;
  out["date"] = e.date;
  if (!e.note.empty()) out["note"] = e.note;
  if (!e.low.empty()) out["low"] = e.low;
  out["conditions"] = to_json(e.conditions);
  return out;
}

MachineWanted machine_from(const Json& in, const std::string& file) {
  MachineWanted m;
  m.accelerator = in.value("accelerator", std::string());
  m.gpu_model = in.value("gpu_model", std::string());
  m.cpu_model = in.value("cpu_model", std::string());
  m.l1d_bytes = in.value("l1d_bytes", 0.0);
  m.threads = in.value("threads", 0);
  if (int(!m.accelerator.empty()) + int(!m.gpu_model.empty()) + int(!m.cpu_model.empty()) != 1)
    throw InputError(file + ": /machine: expected one of accelerator, gpu_model and cpu_model");
  const auto& known = accelerators();
  if (!m.accelerator.empty() &&
      std::none_of(known.begin(), known.end(), [&](const Accelerator& a) { return a.name == m.accelerator; }))
    throw InputError(fmt::format("{}: /machine: no accelerator is called \"{}\"", file, printable(m.accelerator)));
  return m;
}

Json to_json(const MachineWanted& m) {
  Json out = Json::object();
  if (!m.accelerator.empty()) out["accelerator"] = m.accelerator;
  if (!m.gpu_model.empty()) out["gpu_model"] = m.gpu_model;
  if (!m.cpu_model.empty()) out["cpu_model"] = m.cpu_model;
  if (m.l1d_bytes > 0) out["l1d_bytes"] = std::int64_t(m.l1d_bytes);
  if (m.threads > 0) out["threads"] = m.threads;
  return out;
}

/// What the schema cannot say of one entry.
std::string contradiction(const Expectation& e, const Expectations& all) {
  const bool gpu = segment(e.pattern, 2) != "cpu";
  if ((gpu && segment(e.pattern, 2) != "gpu*") || segment(e.pattern, 0).find('*') != std::string::npos)
    return "the case \"" + printable(e.pattern) +
           "\" must begin with workload/kernel/device/dtype, the device cpu or gpu*";
  DType dtype{};
  if (!parse_dtype(segment(e.pattern, 3), dtype)) return "no dtype is called \"" + segment(e.pattern, 3) + "\"";
  if (gpu != all.machine.is_gpu()) return "the case is of another device than the machine";
  if (e.per_gpu && !gpu) return "\"per\" is \"gpu\" for a case of a CPU";
  if ((e.kind == ExpectationKind::ratio) == e.to.empty()) return "\"to\" belongs to a ratio, and only there";
  if (e.kind == ExpectationKind::spread && (!e.per_gpu || e.value != 1))
    return "a spread is per gpu and of value 1: its tolerance says how far below the others a GPU may be";
  return implausibility(e, all);
}

}  // namespace

const char* name(ExpectationKind value) { return find_name(kKinds, value); }
const char* name(RateUnit value) { return find_name(kUnits, value); }
bool parse(std::string_view text, RateUnit& out) { return find_value(kUnits, text, out); }

std::string segment(std::string_view pattern, int index) {
  for (; index > 0; --index) {
    const auto slash = pattern.find('/');
    if (slash == std::string_view::npos) return {};
    pattern.remove_prefix(slash + 1);
  }
  return std::string(pattern.substr(0, pattern.find('/')));
}

Expectations parse_expectations(std::string_view text, const std::string& file) {
  const Json json = parse_json(text, file, "expectation.schema.json");
  Expectations out;
  out.file = file;
  out.name = json["name"];
  out.description = json["description"];
  out.suite = json["suite"];
  out.learned_from = json.value("learned_from", 0);
  out.machine = machine_from(json["machine"], file);
  if (json.contains("link_bytes_per_second")) out.link_bytes_per_second = json["link_bytes_per_second"]["value"];
  for (const auto& entry : json["expectations"]) out.entries.push_back(entry_from(entry));
  std::set<std::string> names;
  for (std::size_t i = 0; i < out.entries.size(); ++i) {
    const Expectation& e = out.entries[i];
    std::string problem = contradiction(e, out);
    if (problem.empty() && !names.insert(e.name).second) problem = "the name is there already, expected each once";
    if (!problem.empty())
      throw InputError(fmt::format("{}: /expectations/{} (\"{}\"): {}", file, i, printable(e.name), problem));
  }
  return out;
}

std::string to_text(const Expectations& all) {
  Json out = {{"schema", "assay-expectation/1"},
              {"name", all.name},
              {"description", all.description},
              {"machine", to_json(all.machine)},
              {"suite", all.suite}};
  if (all.learned_from > 0) out["learned_from"] = all.learned_from;
  std::string text = out.dump(1);
  text.resize(text.size() - 2);  // the closing "\n}"
  text += ",\n \"expectations\": [";
  for (std::size_t i = 0; i < all.entries.size(); ++i)
    text += (i == 0 ? "\n  " : ",\n  ") + to_json(all.entries[i]).dump(-1, ' ', false, Json::error_handler_t::replace);
  return text + "\n ]\n}\n";
}

const std::vector<Expectations>& shipped_expectations() {
  static const std::vector<Expectations> all = [] {
    std::vector<Expectations> parsed;
    for (const auto& file : embedded_files())
      if (file.path.starts_with("expectations/"))
        parsed.push_back(parse_expectations(file.text, fmt::format("configs/{}", file.path)));
    return parsed;
  }();
  return all;
}

Expectations load_expectations(const std::string& file_or_name) {
  std::vector<std::string> names;
  for (const auto& shipped : shipped_expectations()) {
    if (shipped.name == file_or_name) return shipped;
    names.push_back(shipped.name);
  }
  std::error_code ignored;
  if (!std::filesystem::exists(file_or_name, ignored))
    throw InputError(fmt::format("{}: no such file, and no shipped expectations of that name; there are {}{}",
                                 printable(file_or_name), join(names), did_you_mean(file_or_name, names)));
  return parse_expectations(read_file(file_or_name), file_or_name);
}

const Expectations* expectations_for(const Json& provenance) {
  for (const auto& shipped : shipped_expectations())
    if (matches(shipped.machine, provenance)) return &shipped;
  return nullptr;
}

}  // namespace assay
