#include "harness/record/result.h"

#include <set>

#include "harness/core/error.h"
#include "harness/core/file.h"
#include "harness/core/names.h"
#include "harness/core/sha256.h"
#include "harness/record/json_fields.h"
#include "harness/suite/json_schema.h"

namespace assay {
namespace {
using Json = nlohmann::ordered_json;
constexpr Named<Seal> kSeals[] = {{Seal::none, "none"}, {Seal::intact, "intact"}, {Seal::broken, "broken"}};
constexpr std::string_view kSealKey = ",\n \"seal\": \"sha256:", kSealEnd = "\"\n}\n";
}  // namespace

Seal seal_of(std::string_view text) {
  const auto at = text.rfind(kSealKey);
  // A file reformatted by an editor still has the key, in other places.
  if (at == std::string_view::npos) return text.find("\"seal\"") == std::string_view::npos ? Seal::none : Seal::broken;
  const std::string expected = std::string(kSealKey) + sha256_hex(text.substr(0, at)) + std::string(kSealEnd);
  return text.substr(at) == expected ? Seal::intact : Seal::broken;
}

const char* name(Seal seal) { return find_name(kSeals, seal); }

Json to_json(const SamplingRule& rule) {
  return {{"min_samples", rule.min_samples},
          {"max_samples", rule.max_samples},
          {"relative_half_width", rule.relative_half_width},
          {"wall_seconds", rule.wall_seconds},
          {"timeout_seconds", rule.timeout_seconds},
          {"warmup_seconds", rule.warmup_seconds},
          {"sustained_seconds", rule.sustained_seconds},
          {"telemetry_seconds", rule.telemetry_seconds}};
}

SamplingRule sampling_from_json(const Json& json, const std::string& source, const std::string& place) {
  const JsonFields in(json, source, place);
  const auto samples = [&](const char* key) {
    const std::int64_t count = in.count(key, 1);
    if (count > 1'000'000'000) in.fail(key, "expected at most 1000000000");
    return int(count);
  };
  SamplingRule rule;
  rule.min_samples = samples("min_samples");
  rule.max_samples = samples("max_samples");
  rule.relative_half_width = in.number("relative_half_width");
  rule.wall_seconds = in.number("wall_seconds");
  rule.timeout_seconds = in.number("timeout_seconds");
  rule.warmup_seconds = in.number("warmup_seconds");
  rule.sustained_seconds = in.number("sustained_seconds");
  // Older results do not say: they looked as often as is the default.
  if (in.has("telemetry_seconds")) rule.telemetry_seconds = in.number("telemetry_seconds");
  return rule;
}

std::string to_text(const Result& result) {
  Json head = {{"schema", kResultSchema},
               {"suite", result.suite},
               {"complete", result.complete},
               {"sampling", to_json(result.sampling)},
               {"provenance", result.provenance}};
  if (result.stragglers) head["stragglers"] = to_json(*result.stragglers);
  // Text that is not UTF-8 (a device's name, a path in the command) is replaced, never a reason to lose the result.
  constexpr auto replace = Json::error_handler_t::replace;
  std::string text = head.dump(1, ' ', false, replace);
  text.resize(text.size() - 2);  // the closing "\n}"
  text += ",\n \"records\": [";
  const char* separator = "\n";
  for (const auto& record : result.records) {
    text += separator + to_json(record).dump(-1, ' ', false, replace);
    separator = ",\n";
  }
  return sealed(text + "\n ]");
}

std::string sealed(std::string text) {
  const std::string digest = sha256_hex(text);
  return text.append(kSealKey).append(digest).append(kSealEnd);
}

Result parse_result(std::string_view text, const std::string& source) {
  const Json json = parse_json(text, source, "result.schema.json");
  const JsonFields in(json, source, "");
  if (in.text("schema") != kResultSchema)
    in.fail("schema", "is \"" + in.text("schema") + "\", expected \"" + kResultSchema + "\"");
  Result result;
  result.suite = in.text("suite");
  result.complete = in.flag("complete");
  result.sampling = sampling_from_json(in.at("sampling"), source, "/sampling");
  result.provenance = in.at("provenance");
  result.seal = seal_of(text);
  if (in.has("stragglers")) result.stragglers = stragglers_from_json(in.at("stragglers"), source, "/stragglers");
  std::set<std::string> ids;
  for (std::size_t i = 0; i < in.at("records").size(); ++i) {
    const std::string place = "/records/" + std::to_string(i);
    result.records.push_back(record_from_json(in.at("records")[i], source, place));
    if (const auto id = result.records.back().point.id(); !ids.insert(id).second)
      throw InputError(source + ": " + place + ": " + id + " is there already, expected each case once");
  }
  return result;
}

Result load_result(const std::filesystem::path& path) { return parse_result(read_file(path), path.string()); }

Result load_unchanged_result(const std::filesystem::path& path) {
  Result result = load_result(path);
  if (result.seal == Seal::broken)
    throw InputError(path.string() + ": was changed after it was written (its seal does not match): measure again");
  return result;
}

void save_result(const Result& result, const std::filesystem::path& path) {
  write_file_atomically(path, to_text(result));
}

}  // namespace assay
