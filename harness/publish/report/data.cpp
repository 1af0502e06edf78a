// The page's data as JSON: what the scripts of report/ draw.
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "assay/build_config.h"
#include "harness/publish/measured_peak.h"
#include "harness/publish/report/findings.h"
#include "harness/publish/report/report.h"
#include "harness/publish/table/fields.h"
#include "harness/publish/table/table.h"
#include "harness/record/device_model.h"
#include "harness/suite/accelerators.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

/// Of what is told and not compared: to four digits.
Json rounded(double value) {
  constexpr int kDigits = 4;
  if (!std::isfinite(value)) return nullptr;
  if (value == 0) return 0;
  const double step = std::pow(10.0, kDigits - 1 - std::floor(std::log10(std::abs(value))));
  return std::round(value * step) / step;
}

const char* word(Seal seal) { return seal == Seal::intact ? "intact" : seal == Seal::broken ? "broken" : "none"; }

/// The file's name without its folders, which are nobody's business; a second one of a name is told apart.
std::vector<std::string> file_names(const std::vector<ReportedResult>& results) {
  std::set<std::string> taken;
  std::vector<std::string> out;
  for (const auto& one : results) {
    const std::filesystem::path path(one.file);
    std::string name = path.filename().string();
    for (int i = 2; !taken.insert(name).second; ++i)
      name = path.stem().string() + "-" + std::to_string(i) + path.extension().string();
    out.push_back(name);
  }
  return out;
}

Json results_json(const std::vector<ReportedResult>& results) {
  const auto names = file_names(results);
  Json out = Json::array();
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Result& result = results[i].result;
    out.push_back({{"file", names[i]},
                   {"bytes", results[i].text.size()},
                   {"sha256", results[i].sha256},
                   {"suite", result.suite},
                   {"complete", result.complete},
                   {"seal", word(result.seal)},
                   {"sampling", to_json(result.sampling)},
                   {"provenance", result.provenance}});
  }
  return out;
}

void add_statistics(const Record& record, const Rates& derived, Json& out) {
  const Summary& s = derived.seconds;
  const Measurement& m = record.measurement;
  out.update({{"n", s.n},
              {"n_effective", rounded(s.n_effective)},
              {"minimum", s.minimum},
              {"p5", s.p5},
              {"p95", s.p95},
              {"maximum", s.maximum},
              {"autocorrelation", rounded(s.autocorrelation)},
              {"drift", rounded(s.drift)},
              {"modes", s.modes},
              {"placement", name(s.placement)},
              {"stop", name(m.stop)},
              {"batch", m.batch},
              {"in_turns", m.in_turns},
              {"warmup_seconds", rounded(m.warmup_seconds)},
              {"wall_seconds", m.wall_seconds},
              {"floor_seconds", rounded(m.floor_seconds)}});
}

/// The table's row without what is empty, and what charts need besides.
Json case_json(const Record& record, const TableRow& row, std::size_t result) {
  Json out = {{"result", result}};
  const Json fields = table_fields(row);
  for (const auto& [key, value] : fields.items())
    if (!value.is_null() && value != "" && !(key == "origin" && value == "measured")) out[key] = value;
  if (record.vendor) out["vendor"] = true;
  if (record.work.flops > 0) out["flop"] = record.work.flops;
  if (record.work.bytes > 0) out["bytes"] = record.work.bytes;
  if (record.work.bus_factor > 0) out["bus_factor"] = record.work.bus_factor;
  out["convention"] = record.work.convention;
  if (!record.description.empty()) out["description"] = record.description;
  if (record.soak) out["soak"] = true;
  if (record.check) out["check_where"] = record.check->where, out["check_elements"] = record.check->elements;
  if (const auto derived = rates(record)) add_statistics(record, *derived, out);
  return out;
}

/// Words that come again are numbers of a list: a page of hundreds of cases stays small.
Json column_json(const std::vector<Json>& cases, const std::string& key) {
  constexpr std::size_t kWorthwhile = 4;  // cases a word
  Json values = Json::array(), words = Json::array(), places = Json::array();
  std::map<std::string, std::size_t> known;
  bool all_words = true;
  for (const auto& one : cases) {
    const Json value = one.contains(key) ? one.at(key) : Json(nullptr);
    values.push_back(value);
    all_words = all_words && (value.is_string() || value.is_null());
    if (!value.is_string()) {
      places.push_back(nullptr);
      continue;
    }
    const auto [at, fresh] = known.try_emplace(value.get<std::string>(), known.size());
    if (fresh) words.push_back(value);
    places.push_back(at->second);
  }
  if (all_words && known.size() * kWorthwhile <= cases.size()) return {{"words", words}, {"at", places}};
  return values;
}

/// {"count", "columns": {"seconds": [...], "kernel": {"words": [...], "at": [...]}}}; null where a case has no value.
Json columnar(const std::vector<Json>& cases) {
  Json columns = Json::object();
  for (const auto& one : cases)
    for (const auto& [key, value] : one.items())
      if (!columns.contains(key)) columns[key] = column_json(cases, key);
  return {{"count", cases.size()}, {"columns", columns}};
}

/// Of each device and dtype that a result has work in: what its units and memory reached, and what its datasheet says.
Json ceilings_json(const Result& result, std::size_t index) {
  const MeasuredPeaks peaks(result);
  std::set<std::pair<std::string, std::string>> seen;
  Json out = Json::array();
  for (const auto& record : result.records) {
    const Case& point = record.point;
    if (!seen.insert({point.device_name(), name(point.dtype)}).second) continue;
    const auto add = [&](const char* origin, const std::optional<double>& flops, const std::optional<double>& bytes) {
      if (!flops && !bytes) return;
      Json one = {{"result", index}, {"device", point.device_name()}, {"dtype", name(point.dtype)}, {"origin", origin}};
      if (flops) one["flops_per_second"] = *flops;
      if (bytes) one["bytes_per_second"] = *bytes;
      out.push_back(one);
    };
    add("measured", peaks.flop_rate(point), peaks.copy_rate(point));
    const Accelerator* known =
        point.device == Device::gpu ? find_accelerator(device_model(point, result.provenance)) : nullptr;
    if (known) add("datasheet", known->peak(point.dtype), known->memory_bytes_per_second);
  }
  return out;
}

/// Of cases that nobody judged only their number.
Json verdict_json(const Report& report) {
  constexpr std::size_t kMostListed = 500;
  Json listed = Json::array();
  for (const auto& j : report.verdict.judgements) {
    if (listed.size() == kMostListed) break;
    if (j.standing == Standing::not_judged) continue;
    Json one = {{"standing", name(j.standing)}, {"host", j.host}, {"id", j.id}, {"text", j.text}};
    if (j.wrong) one["wrong"] = true;
    if (!j.expectation.empty()) one["expectation"] = j.expectation, one["source"] = j.source;
    if (j.measured) one["measured"] = *j.measured;
    if (j.least) one["least"] = *j.least;
    if (j.cause) one["cause"] = {{"text", j.cause->text}, {"action", name(j.cause->action)}};
    listed.push_back(one);
  }
  Json counts = Json::object();
  for (const Standing s : {Standing::fail, Standing::could_not_measure, Standing::not_judged, Standing::pass})
    counts[name(s)] = report.verdict.count(s);
  return {{"judged", report.judged},
          {"exit_code", int(report.verdict.code())},
          {"line", report.verdict.line()},
          {"counts", counts},
          {"judgements", listed}};
}

}  // namespace

Json report_data(const Report& report) {
  std::vector<Json> cases;
  Json ceilings = Json::array(), notes = Json::array();
  std::vector<TableRow> all;
  for (std::size_t i = 0; i < report.results.size(); ++i) {
    const Result& result = report.results[i].result;
    const auto rows = table_rows({result});
    for (std::size_t r = 0; r < rows.size(); ++r) cases.push_back(case_json(result.records[r], rows[r], i));
    for (auto& ceiling : ceilings_json(result, i)) ceilings.push_back(std::move(ceiling));
    all.insert(all.end(), rows.begin(), rows.end());
  }
  for (const auto& note : peak_notes(all)) notes.push_back(note);
  Json out = {{"schema", "assay-report/1"},
              {"version", ASSAY_VERSION},
              {"results_given", report.results_given},
              {"results", results_json(report.results)},
              {"verdict", verdict_json(report)},
              {"notes", notes},
              {"ceilings", ceilings},
              {"fleet", report.fleet ? *report.fleet : Json(nullptr)},
              {"cases", columnar(cases)}};
  out.update(report_findings(report.results));
  return out;
}

}  // namespace assay
