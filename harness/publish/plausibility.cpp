#include "harness/publish/plausibility.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <numeric>

#include "harness/core/error.h"
#include "harness/core/sha256.h"
#include "harness/publish/plausibility_records.h"
#include "harness/publish/table/table.h"
#include "harness/record/result.h"
#include "harness/suite/json_reader.h"
#include "harness/workloads/workload.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;
using Problems = std::vector<std::string>;

/// "2026-01-31T12:34:56Z"; such texts sort as their times do.
bool is_utc(const std::string& text) {
  constexpr std::string_view kForm = "0000-00-00T00:00:00Z";
  if (text.size() != kForm.size()) return false;
  for (std::size_t i = 0; i < kForm.size(); ++i)
    if (kForm[i] == '0' ? !std::isdigit(static_cast<unsigned char>(text[i])) : text[i] != kForm[i]) return false;
  const auto part = [&](std::size_t at) { return std::stoi(text.substr(at, 2)); };
  return part(5) >= 1 && part(5) <= 12 && part(8) >= 1 && part(8) <= 31 && part(11) < 24 && part(14) < 60 &&
         part(17) < 61;
}

void check_date(const std::string& place, const std::string& text, const std::string& now, Problems& out) {
  constexpr const char* kFirst = "2026-01-01T00:00:00Z";  // before there was an assay
  if (!is_utc(text))
    out.push_back(fmt::format("{}: \"{}\" is no date, expected one as 2026-01-31T12:34:56Z", place, text));
  else if (text < kFirst || text > now)
    out.push_back(fmt::format("{}: {} is not between {} and now", place, text, kFirst));
}

/// "c8f9266d9a5b": seven or more of git's digits.
bool is_revision(const Json& value) {
  constexpr std::size_t kLeast = 7;
  if (!value.is_string()) return false;
  const auto& text = value.get_ref<const std::string&>();
  return text.size() >= kLeast && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

void check_provenance(const Result& result, const std::string& now, Problems& out) {
  constexpr const char* kNeeded[] = {"/build/revision", "/build/type",    "/build/compiler",
                                     "/cpu/model",      "/system/kernel", "/command"};
  const Json& provenance = result.provenance;
  for (const char* pointer : kNeeded) {
    const Json::json_pointer place(pointer);
    if (!provenance.contains(place) || provenance.at(place).is_null() || provenance.at(place).empty() ||
        provenance.at(place) == "" || provenance.at(place) == "unknown")
      out.push_back(fmt::format("/provenance{}: is missing: nobody could repeat the run", pointer));
  }
  const Json::json_pointer dirty("/build/dirty"), type("/build/type"), revision("/build/revision"),
      threads("/cpu/threads");
  if (!provenance.contains(dirty) || !provenance.at(dirty).is_boolean())
    out.push_back("/provenance/build/dirty: is missing: nothing says that the revision is what was built");
  if (provenance.contains(revision) && provenance.at(revision) != "unknown" && !is_revision(provenance.at(revision)))
    out.push_back(fmt::format("/provenance/build/revision: {} is no revision of git", provenance.at(revision).dump()));
  if (provenance.contains(threads) && provenance.at(threads).is_number() && !(provenance.at(threads) > 0))
    out.push_back("/provenance/cpu/threads: there are none");
  if (provenance.contains(dirty) && provenance.at(dirty) == true)
    out.push_back("/provenance/build/dirty: measured with uncommitted changes, which no revision shows");
  if (provenance.contains(type) && provenance.at(type) != "Release")
    out.push_back("/provenance/build/type: not a Release build");
  for (const auto& finding : provenance.value("findings", Json::array()))
    if (finding.value("severity", "") == "unfit")
      out.push_back(fmt::format("/provenance/findings: the machine was unfit: {}", finding.value("what", "")));
  if (const Json thinned = provenance.value("thinned", Json()); thinned.is_object()) {
    const Json whole = thinned.value("sha256_of_whole", Json());  // a file may have anything there
    out.push_back(fmt::format("/provenance/thinned: a page left samples out of it; the whole result's SHA-256 is {}",
                              whole.is_string() ? whole.get<std::string>() : "not said"));
  }
  const Json started = provenance.value("started_utc", Json());
  check_date("/provenance/started_utc", started.is_string() ? started.get<std::string>() : "", now, out);
}

bool has_gpu(const Result& result, int index) {
  const Json gpus = result.provenance.value("gpus", Json::array());
  return std::any_of(gpus.begin(), gpus.end(), [&](const Json& gpu) { return gpu.value("index", Json()) == index; });
}

/// The summary is written for people: one that does not follow from the samples was edited, or the samples were.  Every
/// number of it, and of an interval both ends.
void check_summary(const Json& written, const Json& derived, const std::string& place, Problems& out) {
  constexpr double kRounding = 1e-6;  // relative; the numbers are written to the last bit
  for (const auto& [key, shown] : written.items()) {
    const std::string at = fmt::format("{}/{}", place, key);
    const Json follows = derived.is_array() ? derived.at(std::size_t(std::stoul(key))) : derived.value(key, Json());
    if (shown.is_array() && follows.is_array() && shown.size() == follows.size())
      check_summary(shown, follows, at, out);
    if (!shown.is_number() || !follows.is_number()) continue;
    const double a = shown.get<double>(), b = follows.get<double>();
    if (!(std::abs(a - b) <= kRounding * std::max(std::abs(a), std::abs(b))))
      out.push_back(fmt::format("{}: is {:.9g}, and the samples and the work make it {:.9g}", at, a, b));
  }
}

void check_times(const Record& record, const std::string& place, Problems& out) {
  const Measurement& m = record.measurement;
  if (m.seconds.empty()) return;
  const double sampled = std::accumulate(m.seconds.begin(), m.seconds.end(), 0.0) * m.batch;
  constexpr double kClocks = 1.01;  // device and host clocks agree to that at least
  if (m.wall_seconds > 0 && !(sampled <= kClocks * m.wall_seconds))
    out.push_back(
        fmt::format("{}/measurement: {:.4g} s of samples in {:.4g} s of wall time", place, sampled, m.wall_seconds));
  const double median = summarise(m).median;
  if (!(median * m.batch >= m.floor_seconds))
    out.push_back(
        fmt::format("{}/measurement: a median of {:.3g} s, below the floor of {:.3g} s that an empty launch takes",
                    place, median * m.batch, m.floor_seconds));
}

/// Nothing computes faster than its peak, that of the datasheet or what the CPU's own units reached, nor moves more
/// than its memory or its links carry.
void check_rate(const TableRow& row, const std::string& place, Problems& out) {
  constexpr double kMost = 110;  // percent: a cool GPU's clock may exceed the datasheet's by 8 (1.98 of 1.83 GHz)
  constexpr double kMostOfStream = 250;   // percent: what is updated in place finds half of it in a cache (135 seen)
  constexpr double kMostOfCeiling = 150;  // percent: a CPU's is a copy rate of another moment
  struct Limit {
    std::optional<double> percent;
    double most;
    const char* of;
  };
  const bool counts = row.flops_per_second || (row.workload == "peak" && row.device != "cpu");
  const Limit limits[] = {{counts ? row.percent_of_peak : std::nullopt, kMost, "peak"},
                          {row.flops_per_second ? row.percent_of_measured_peak : std::nullopt, kMost, "measured peak"},
                          {row.percent_of_stream, kMostOfStream, "rate of streams of its mix"},
                          {row.percent_of_ceiling, kMostOfCeiling, "ceiling"}};
  for (const auto& [percent, most, of] : limits)
    if (percent && !(*percent <= most)) {
      out.push_back(fmt::format("{}: {} is at {:.0f} % of the {}", place, row.id, *percent, of));
      return;
    }
}

void check_records(const Result& result, const Json& json, const std::string& now, Problems& out) {
  const auto rows = table_rows({result});
  for (std::size_t i = 0; i < result.records.size(); ++i) {
    const Record& record = result.records[i];
    const std::string place = fmt::format("/records/{}", i);
    const Json written = json["records"][i].value("summary", Json());
    if (written.is_object()) check_summary(written, to_json(record).at("summary"), place + "/summary", out);
    check_record(record, result, catalog(), place, out);
    check_times(record, place, out);
    check_rate(rows[i], place, out);
    check_date(place + "/started_utc", record.started_utc, now, out);
    if (record.point.device == Device::gpu && record.outcome.ok() && !has_gpu(result, record.point.device_index))
      out.push_back(
          fmt::format("{}: ran on gpu{}, which the provenance does not have", place, record.point.device_index));
  }
  check_together(result, out);
}

}  // namespace

Plausibility examine(std::string_view text, const std::string& source, const std::string& now_utc, bool unsealed) {
  Plausibility out;
  out.digest = sha256_hex(text);
  try {
    const Result result = parse_result(text, source);
    out.cases = result.records.size();
    if (result.seal == Seal::broken) out.problems.push_back("/seal: does not match: the file was changed afterwards");
    if (result.seal == Seal::none && !unsealed)
      out.problems.push_back(
          "/seal: there is none: nothing shows that the file is as it was written (one of an older assay: --unsealed)");
    if (!result.complete) out.problems.push_back("/complete: the run was interrupted: cases of its plan are missing");
    if (result.records.empty()) out.problems.push_back("/records: there are none");
    check_provenance(result, now_utc, out.problems);
    check_records(result, read_json(text, source), now_utc, out.problems);
  } catch (const InputError& error) {
    out.broken = error.what();
  }
  return out;
}

}  // namespace assay
