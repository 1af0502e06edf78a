#include "harness/record/record.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "harness/core/error.h"
#include "harness/record/json_fields.h"
#include "harness/record/loss_curve_json.h"
#include "harness/record/rank_json.h"
#include "harness/record/telemetry_json.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const Case& point) {
  Json axes = Json::object();
  for (const auto& axis : point.axes) std::visit([&](const auto& value) { axes[axis.name] = value; }, axis.value);
  Json out = {{"workload", point.workload},   {"kernel", point.kernel},
              {"device", name(point.device)}, {"device_index", point.device_index},
              {"dtype", name(point.dtype)},   {"axes", axes},
              {"mode", name(point.mode)},     {"cache", name(point.cache)},
              {"data", name(point.data)},     {"seed", point.seed},
              {"labels", point.labels}};
  if (point.core >= 0) out["core"] = point.core;
  if (point.together > 1) out["together"] = point.together;
  return out;
}

Json to_json(const Measurement& m) {
  Json placement = Json::array();
  for (const Placement p : m.placement) placement.push_back(name(p));
  Json out = {{"seconds", m.seconds},
              {"placement", placement},
              {"batch", m.batch},
              {"warmup_launches", m.warmup_launches},
              {"warmup_seconds", finite_or_null(m.warmup_seconds)},
              {"wall_seconds", finite_or_null(m.wall_seconds)},
              {"floor_seconds", finite_or_null(m.floor_seconds)},
              {"stop", name(m.stop)},
              {"in_turns", m.in_turns}};
  add_rank_times(m, out);
  return out;
}

Json to_json(const Rates& r) {
  const Summary& s = r.seconds;
  Json out = {{"median_seconds", s.median},
              {"median_95_seconds", {s.median_95.low, s.median_95.high}},
              {"samples", s.n},
              {"effective_samples", finite_or_null(s.n_effective)},
              {"p5_seconds", s.p5},
              {"p95_seconds", s.p95},
              {"autocorrelation", finite_or_null(s.autocorrelation)},
              {"drift", finite_or_null(s.drift)},
              {"modes", s.modes}};
  const auto add = [&](const char* key, const std::optional<double>& value) {
    out[key] = value ? finite_or_null(*value) : Json(nullptr);
  };
  add("flops_per_second", r.flops_per_second);
  add("bytes_per_second", r.bytes_per_second);
  add("bus_bytes_per_second", r.bus_bytes_per_second);
  if (r.ranks) add_ranks(*r.ranks, out);
  return out;
}

bool parse_device(std::string_view text, Device& out) {
  for (const Device d : {Device::cpu, Device::gpu})
    if (text == name(d)) return out = d, true;
  return false;
}

bool parse_outcome_kind(std::string_view text, OutcomeKind& out) {
  const auto kind = parse_outcome(text);
  if (kind) out = *kind;
  return kind.has_value();
}

/// A case's names are keys of tables and lines of text; our own are words.
void expect_no_control(const Case& point, const JsonFields& in) {
  const std::string id = point.id();
  if (std::any_of(id.begin(), id.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; }))
    in.fail("axes", "a name or a word of the case holds a control character");
}

Case case_from_json(const JsonFields& in) {
  Case point;
  point.workload = in.text("workload");
  point.kernel = in.text("kernel");
  point.device = in.word<Device>("device", parse_device);
  point.device_index = int(in.count("device_index"));
  if (in.has("core")) point.core = int(in.count("core"));
  if (in.has("together")) point.together = int(in.count("together", 2));
  point.dtype = in.word<DType>("dtype", parse_dtype);
  for (const auto& [axis, value] : in.at("axes").items()) {
    if (value.is_string())
      point.axes.push_back({axis, value.get<std::string>()});
    else
      point.axes.push_back({axis, in.object("axes").count(axis.c_str())});
  }
  point.mode = in.word<Mode>("mode", parse);
  point.cache = in.word<Cache>("cache", parse);
  point.data = in.word<Fill>("data", parse);
  point.seed = in.unsigned_count("seed");
  expect_no_control(point, in);
  for (const auto& label : in.at("labels")) {
    if (!label.is_string()) in.fail("labels", "expected strings");
    point.labels.push_back(label.get<std::string>());
  }
  return point;
}

Measurement measurement_from_json(const JsonFields& in) {
  Measurement m;
  for (const auto& sample : in.at("seconds")) {
    const double seconds = sample.is_number() ? sample.get<double>() : std::nan("");
    if (!(seconds > 0) || !std::isfinite(seconds)) in.fail("seconds", "expected finite numbers above 0");
    m.seconds.push_back(seconds);
  }
  for (const auto& sample : in.at("placement")) {
    Placement placement{};
    if (!sample.is_string() || !parse(sample.get<std::string>(), placement))
      in.fail("placement", "expected names of placement classes");
    m.placement.push_back(placement);
  }
  if (!m.placement.empty() && m.placement.size() != m.seconds.size())
    in.fail("placement", "expected none, or one for each of the samples");
  m.batch = int(std::min<std::int64_t>(in.count("batch", 1), std::numeric_limits<int>::max()));
  m.warmup_launches = in.count("warmup_launches");
  m.warmup_seconds = in.number_or("warmup_seconds", 0);
  m.wall_seconds = in.number_or("wall_seconds", 0);
  m.floor_seconds = in.number_or("floor_seconds", 0);
  m.stop = in.word<StopReason>("stop", parse);
  if (in.has("in_turns"))
    m.in_turns = int(std::min<std::int64_t>(in.count("in_turns", 1), std::numeric_limits<int>::max()));
  read_rank_times(in, m);
  return m;
}

Work work_from_json(const JsonFields& in) {
  Work work{in.number("flops"), in.number("bytes"), in.text("convention"), in.number("bus_factor")};
  if (work.flops < 0) in.fail("flops", "expected at least 0");
  if (work.bytes < 0) in.fail("bytes", "expected at least 0");
  if (work.bus_factor < 0) in.fail("bus_factor", "expected at least 0");
  return work;
}

/// The summary is derived again from the samples; here it only must not contradict itself.
void check_summary(const JsonFields& in) {
  const auto& interval = in.at("median_95_seconds");
  const bool numbers =
      interval.is_array() && interval.size() == 2 && interval[0].is_number() && interval[1].is_number();
  const double median = in.number("median_seconds");
  if (!numbers ||
      !(0 < interval[0].get<double>() && interval[0].get<double>() <= median && median <= interval[1].get<double>()))
    in.fail("median_95_seconds", "expected [low, high] with 0 < low <= median_seconds <= high");
}

}  // namespace

std::optional<double> detail_number(const Record& record, std::string_view name) {
  for (const Detail& one : record.details)
    if (const auto* number = one.name == name ? std::get_if<double>(&one.value) : nullptr) return *number;
  return std::nullopt;
}

std::optional<std::string> detail_word(const Record& record, std::string_view name) {
  for (const Detail& one : record.details)
    if (const auto* word = one.name == name ? std::get_if<std::string>(&one.value) : nullptr) return *word;
  return std::nullopt;
}

std::optional<Rates> rates(const Record& record) {
  if (!inconsistency(record).empty() || !record.outcome.ok()) return std::nullopt;
  Rates out{summarise(record.measurement), {}, {}, {}, summarise_ranks(record.measurement)};
  const double median = out.seconds.median;
  if (record.work.flops > 0) out.flops_per_second = record.work.flops / median;
  if (record.work.bytes > 0) out.bytes_per_second = record.work.bytes / median;
  if (record.work.bus_factor > 0) out.bus_bytes_per_second = record.work.bus_factor * record.work.bytes / median;
  return out;
}

std::string inconsistency(const Record& record) {
  const auto sound = [](double seconds) { return std::isfinite(seconds) && seconds > 0; };
  const auto& seconds = record.measurement.seconds;
  if (!std::all_of(seconds.begin(), seconds.end(), sound)) return "a sample is not a finite time above 0";
  switch (record.outcome.kind) {
    case OutcomeKind::ok:
      if (!record.outcome.reason.empty()) return "the outcome is ok and gives a reason";
      if (seconds.empty()) return "the outcome is ok without a sample";
      if (!record.check) return "the outcome is ok without a check";
      if (!record.check->ok()) return "the outcome is ok and the check failed";
      return {};
    case OutcomeKind::wrong:
      if (!record.check || record.check->ok()) return "the outcome is wrong without a failed check";
      break;
    case OutcomeKind::failed:
    case OutcomeKind::skipped:
    case OutcomeKind::timed_out:
      break;
  }
  return record.outcome.reason.empty()
             ? std::string("the outcome is ") + name(record.outcome.kind) + " without a reason"
             : std::string();
}

Json to_json(const Check& c) {
  return {{"ok", c.ok()},
          {"error_over_allowed", finite_or_null(c.error_over_allowed)},
          {"elements", c.elements},
          {"wrong", c.wrong},
          {"where", c.where},
          {"expected", finite_or_null(c.expected)},
          {"got", finite_or_null(c.got)},
          {"allowed", finite_or_null(c.allowed)},
          {"outside", c.outside},
          {"digest", c.digest}};
}

Check check_from_json(const Json& json, const std::string& source, const std::string& place) {
  const JsonFields in(json, source, place);
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  Check c;
  c.error_over_allowed = in.number_or("error_over_allowed", std::numeric_limits<double>::infinity());
  c.elements = in.count("elements");
  c.wrong = in.count("wrong");
  c.where = in.text("where");
  c.expected = in.number_or("expected", nan);
  c.got = in.number_or("got", nan);
  c.allowed = in.number_or("allowed", nan);
  if (json.contains("outside")) c.outside = in.text("outside");
  c.digest = in.text("digest");
  if (c.error_over_allowed < 0) in.fail("error_over_allowed", "expected at least 0");
  if (c.wrong > c.elements) in.fail("wrong", "expected at most \"elements\"");
  if (in.flag("ok") != c.ok()) in.fail("ok", "contradicts the numbers beside it");
  return c;
}

Json to_json(const Record& record) {
  const auto derived = rates(record);
  const bool measured = !record.measurement.seconds.empty() || record.measurement.warmup_launches > 0;
  Json out = {{"id", record.point.id()},
              {"case", to_json(record.point)},
              {"vendor", record.vendor},
              {"outcome", name(record.outcome.kind)},
              {"reason", record.outcome.reason},
              {"description", record.description},
              {"started_utc", record.started_utc},
              {"interrupted_attempts", record.interrupted_attempts},
              {"work",
               {{"flops", finite_or_null(record.work.flops)},
                {"bytes", finite_or_null(record.work.bytes)},
                {"convention", record.work.convention},
                {"bus_factor", finite_or_null(record.work.bus_factor)}}},
              {"check", record.check ? to_json(*record.check) : Json(nullptr)},
              {"summary", derived ? to_json(*derived) : Json(nullptr)},
              {"measurement", measured ? to_json(record.measurement) : Json(nullptr)}};
  if (!record.details.empty()) out["details"] = details_to_json(record.details);
  if (record.losses) out["losses"] = to_json(*record.losses);
  if (!record.telemetry.empty()) out["telemetry"] = to_json(record.telemetry);
  if (record.soak) out["soak"] = to_json(*record.soak);
  if (record.selftest) out["selftest"] = to_json(*record.selftest);
  return out;
}

Record record_from_json(const Json& json, const std::string& source, const std::string& place) {
  const JsonFields in(json, source, place);
  Record record;
  record.point = case_from_json(in.object("case"));
  record.vendor = in.flag("vendor");
  record.outcome = {in.word<OutcomeKind>("outcome", parse_outcome_kind), in.text("reason")};
  record.description = in.text("description");
  record.started_utc = in.text("started_utc");
  record.interrupted_attempts = int(std::min<std::int64_t>(in.count("interrupted_attempts"), 1 << 20));
  record.work = work_from_json(in.object("work"));
  if (!in.at("check").is_null()) record.check = check_from_json(in.at("check"), source, place + "/check");
  if (!in.at("measurement").is_null()) record.measurement = measurement_from_json(in.object("measurement"));
  if (in.has("details")) record.details = details_from_json(in.object("details"), in.at("details"));
  if (in.has("losses")) record.losses = loss_curve_from_json(in.at("losses"), source, place + "/losses");
  if (in.has("telemetry")) record.telemetry = telemetry_from_json(in.at("telemetry"), source, place + "/telemetry");
  if (in.has("soak")) record.soak = soak_from_json(in.at("soak"), record.measurement, source, place + "/soak");
  if (in.has("selftest")) record.selftest = selftest_from_json(in.at("selftest"), source, place + "/selftest");
  if (in.text("id") != record.point.id())
    in.fail("id", "is \"" + in.text("id") + "\", and the case beside it is " + record.point.id());
  if (const auto problem = inconsistency(record); !problem.empty()) in.fail("outcome", problem);
  if (in.at("summary").is_null() == record.outcome.ok())
    in.fail("summary", record.outcome.ok() ? "is missing" : "expected null: a case that is not ok has no rate");
  if (record.outcome.ok()) check_summary(in.object("summary"));
  return record;
}

}  // namespace assay
