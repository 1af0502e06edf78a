// One pass of simdjson over a result file.  Whatever it does not find as expected goes to the slow reader, which says
// what is wrong and where, or knows better.
#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "harness/core/error.h"
#include "harness/record/result.h"
#include "harness/verdict/fleet_file.h"

namespace assay {
namespace {

namespace dom = simdjson::dom;

/// Something is not as this reader knows it.
struct Doubt {};

/// A member; Doubt where it is missing, of another type, or given twice.
template <class T>
T member(dom::object object, std::string_view key) {
  std::optional<T> found;
  for (const auto field : object) {
    if (field.key != key) continue;
    T value;
    if (found || field.value.get(value)) throw Doubt{};
    found = value;
  }
  if (!found) throw Doubt{};
  return *found;
}

std::string text(dom::object object, std::string_view key) {
  return std::string(member<std::string_view>(object, key));
}

std::string text_or(dom::object object, std::string_view key, const std::string& otherwise) {
  std::string_view value;
  return object[key].get(value) == simdjson::SUCCESS ? std::string(value) : otherwise;
}

/// The id that the case's own fields give, as Case::id() writes it.
std::string id_of(dom::object point, const std::string& device_name) {
  std::string out =
      fmt::format("{}/{}/{}/{}", member<std::string_view>(point, "workload"), member<std::string_view>(point, "kernel"),
                  device_name, member<std::string_view>(point, "dtype"));
  for (const auto axis : member<dom::object>(point, "axes")) {
    std::string_view word;
    std::int64_t number = 0;
    if (axis.value.get(word) == simdjson::SUCCESS)
      out += fmt::format("/{}={}", axis.key, word);
    else if (axis.value.get(number) == simdjson::SUCCESS)
      out += fmt::format("/{}={}", axis.key, number);
    else
      throw Doubt{};
  }
  return out + fmt::format("/{}/{}/{}/seed={}", member<std::string_view>(point, "cache"),
                           member<std::string_view>(point, "mode"), member<std::string_view>(point, "data"),
                           member<std::uint64_t>(point, "seed"));
}

Measurement measurement_of(dom::object json) {
  Measurement out;
  for (const auto sample : member<dom::array>(json, "seconds")) {
    double seconds = 0;
    if (sample.get(seconds) || !(seconds > 0) || !std::isfinite(seconds)) throw Doubt{};
    out.seconds.push_back(seconds);
  }
  for (const auto sample : member<dom::array>(json, "placement")) {
    std::string_view word;
    Placement placement{};
    if (sample.get(word) || !parse(word, placement)) throw Doubt{};
    out.placement.push_back(placement);
  }
  if (out.seconds.empty() || (!out.placement.empty() && out.placement.size() != out.seconds.size())) throw Doubt{};
  return out;
}

void expect_passed(dom::object check) {
  if (!member<bool>(check, "ok") || !(member<double>(check, "error_over_allowed") <= 1)) throw Doubt{};
  if (member<std::uint64_t>(check, "wrong") != 0 || !text_or(check, "outside", "").empty()) throw Doubt{};
}

/// A soak's; its intervals and corruptions are the slow reader's to look at where they say that something was wrong.
void add_digest(FleetNode& node, dom::object record, int device) {
  dom::object soak;
  const auto error = record["soak"].get(soak);
  if (error == simdjson::NO_SUCH_FIELD) return;
  if (error || member<std::uint64_t>(soak, "corrupted") != 0) throw Doubt{};
  FleetDigest out{device, text(soak, "digest_of"), text(soak, "computed_by"), text(soak, "digest"), 0};
  if (!out.digest.empty()) node.digests.push_back(std::move(out));
}

void add_record(FleetNode& node, dom::object record, FleetCases& cases) {
  const auto point = member<dom::object>(record, "case");
  const auto kind = parse_outcome(member<std::string_view>(record, "outcome"));
  const std::string_view word = member<std::string_view>(point, "device");
  const std::uint64_t ordinal = member<std::uint64_t>(point, "device_index");
  if (!kind || (word != "cpu" && word != "gpu") || ordinal > 65535) throw Doubt{};
  const Device device = word == "cpu" ? Device::cpu : Device::gpu;
  const std::string device_name = device == Device::cpu ? "cpu" : fmt::format("gpu{}", ordinal);
  const std::string id = text(record, "id");
  if (id != id_of(point, device_name)) throw Doubt{};
  const int index = device == Device::cpu ? kCpuDevice : int(ordinal);
  const std::string shared = without_ordinal(id, device_name, device), reason = text(record, "reason");
  if (*kind != OutcomeKind::ok) {
    if (reason.empty()) throw Doubt{};
    node.failures.push_back({shared, index, *kind, reason, 0});
    return;
  }
  if (!reason.empty()) throw Doubt{};
  expect_passed(member<dom::object>(record, "check"));
  member<dom::object>(record, "summary");
  add_value(node, shared, text(point, "workload"), index, measurement_of(member<dom::object>(record, "measurement")),
            cases);
  add_digest(node, record, index);
}

void expect_once(const FleetNode& node) {
  std::vector<std::pair<std::uint32_t, int>> seen;
  for (const auto& value : node.values) seen.emplace_back(value.point, value.device);
  std::sort(seen.begin(), seen.end());
  if (std::adjacent_find(seen.begin(), seen.end()) != seen.end()) throw Doubt{};
}

FleetNode node_of(dom::object json, const std::filesystem::path& path, FleetCases& cases) {
  if (member<std::string_view>(json, "schema") != kResultSchema) throw Doubt{};
  FleetNode node;
  node.files = {path.string()};
  node.complete = member<bool>(json, "complete");
  const auto provenance = member<dom::object>(json, "provenance");
  node.name = text_or(member<dom::object>(provenance, "system"), "hostname", path.stem().string());
  node.started_utc = text(provenance, "started_utc");
  std::vector<std::string> gpus;
  for (const auto element : member<dom::array>(provenance, "gpus")) {
    dom::object gpu;
    if (element.get(gpu)) throw Doubt{};
    gpus.push_back(text(gpu, "name"));
    const int index = int(member<std::uint64_t>(gpu, "index"));
    if (const auto uuid = text_or(gpu, "uuid", ""); !uuid.empty()) node.uuids[index] = uuid;
  }
  node.hardware = hardware_of(gpus, text_or(member<dom::object>(provenance, "cpu"), "model", ""));
  for (const auto element : member<dom::array>(json, "records")) {
    dom::object record;
    if (element.get(record)) throw Doubt{};
    add_record(node, record, cases);
  }
  expect_once(node);
  return node;
}

}  // namespace

FleetNode read_fleet_node(const std::filesystem::path& path, FleetCases& cases) {
  simdjson::padded_string bytes;
  dom::parser parser;
  dom::object json;
  if (simdjson::padded_string::load(path.string()).get(bytes) || parser.parse(bytes).get(json))
    return slow_read_fleet_node(path, cases);
  try {
    return node_of(json, path, cases);
  } catch (const Doubt&) {
    return slow_read_fleet_node(path, cases);
  }
}

Record read_fleet_record(const std::filesystem::path& path, const std::string& case_id, int device) {
  simdjson::padded_string bytes;
  dom::parser parser;
  dom::array records;
  const std::string id = case_id.substr(0, case_id.find(" ["));  // without the placement class
  if (!simdjson::padded_string::load(path.string()).get(bytes) && !parser.parse(bytes)["records"].get(records)) {
    for (const auto element : records) {
      std::string_view found;
      std::int64_t ordinal = 0;
      if (element["id"].get(found) || element["case"]["device_index"].get(ordinal)) break;
      const bool cpu = device == kCpuDevice;
      const std::string device_name = cpu ? "cpu" : fmt::format("gpu{}", device);
      if ((!cpu && ordinal != device) ||
          without_ordinal(std::string(found), device_name, cpu ? Device::cpu : Device::gpu) != id)
        continue;
      return record_from_json(nlohmann::ordered_json::parse(simdjson::minify(element)), path.string(), "/records");
    }
  }
  throw InputError(fmt::format("{}: {} is no longer there: the file changed while it was read", path.string(), id));
}

}  // namespace assay
