// One pass of simdjson over a result file.  Whatever it does not find as expected goes to the slow reader, which says
// what is wrong and where, or knows better.
//
// Why a second JSON library: of 94 KB files of 50 cases, nlohmann parses one in 1.4 ms (66 MB/s), simdjson in 0.08 ms
// (1.2 GB/s), on a core of an AMD EPYC (Zen 5, virtual).  10,000 of them, their seals verified, are judged in 5 to 6.5
// s and 232 MB on two such cores; nlohmann's parsing alone would add 7 s to that and pass the ten that a fleet may
// take.
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

/// Doubt where it is there and is no number from 0 to 65536, or is given twice.
int number_or(dom::object object, std::string_view key, int otherwise) {
  constexpr std::uint64_t kMost = 65536;  // of devices, as the schema has it
  if (object[key].error() == simdjson::NO_SUCH_FIELD) return otherwise;
  const auto value = member<std::uint64_t>(object, key);
  if (value > kMost) throw Doubt{};
  return int(value);
}

/// FleetValue::device of a case.
int device_of(dom::object point) {
  const std::string_view word = member<std::string_view>(point, "device");
  const int ordinal = number_or(point, "device_index", -1), core = number_or(point, "core", -1);
  if (ordinal < 0) throw Doubt{};
  if (word == "gpu" && core < 0) return ordinal;
  if (word != "cpu") throw Doubt{};
  return core < 0 ? kCpuDevice : core_device(core);
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
  out += fmt::format("/{}/{}/{}/seed={}", member<std::string_view>(point, "cache"),
                     member<std::string_view>(point, "mode"), member<std::string_view>(point, "data"),
                     member<std::uint64_t>(point, "seed"));
  const auto together = number_or(point, "together", 1);
  return together > 1 ? out + fmt::format("/together={}", together) : out;
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
  const int index = device_of(point);
  const std::string id = text(record, "id");
  const bool control = std::any_of(id.begin(), id.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; });
  if (!kind || control || id != id_of(point, fleet_device_name(index))) throw Doubt{};
  const std::string shared = without_ordinal(id, index), reason = text(record, "reason");
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

std::optional<FleetNode> fast_read_fleet_node(const std::filesystem::path& path, FleetCases& cases) {
  simdjson::padded_string bytes;
  dom::parser parser;
  dom::object json;
  if (simdjson::padded_string::load(path.string()).get(bytes) || parser.parse(bytes).get(json)) return std::nullopt;
  try {
    FleetNode node = node_of(json, path, cases);
    node.seal = seal_of(std::string_view(bytes));
    return node;
  } catch (const Doubt&) {
    return std::nullopt;
  }
}

FleetNode read_fleet_node(const std::filesystem::path& path, FleetCases& cases) {
  auto node = fast_read_fleet_node(path, cases);
  return node ? std::move(*node) : slow_read_fleet_node(path, cases);
}

Record read_fleet_record(const std::filesystem::path& path, const std::string& case_id, int device) {
  simdjson::padded_string bytes;
  dom::parser parser;
  dom::array records;
  const std::string id = case_id.substr(0, case_id.find(" ["));  // without the placement class
  if (!simdjson::padded_string::load(path.string()).get(bytes) && !parser.parse(bytes)["records"].get(records)) {
    for (const auto element : records) {
      std::string_view found;
      dom::object point;
      if (element["id"].get(found) || element["case"].get(point)) break;
      if (device_of(point) != device || without_ordinal(std::string(found), device) != id) continue;
      return record_from_json(nlohmann::ordered_json::parse(simdjson::minify(element)), path.string(), "/records");
    }
  }
  throw InputError(fmt::format("{}: {} is no longer there: the file changed while it was read", path.string(), id));
}

}  // namespace assay
