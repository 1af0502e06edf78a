#include "harness/publish/comparison_text.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "harness/publish/units.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

// In the order of what a reader must know first.
constexpr Change kOrder[] = {Change::broken,       Change::slower,    Change::faster,
                             Change::inconclusive, Change::same,      Change::refused,
                             Change::not_measured, Change::only_base, Change::only_new};

std::string percent(double ratio) { return fmt::format("{:+.2f} %", 100 * (ratio - 1)); }

std::string or_unknown(const std::string& text) { return text.empty() ? "unknown" : text; }

Tone tone_of(Change change) {
  switch (change) {
    case Change::broken:
    case Change::slower:
      return Tone::bad;
    case Change::faster:
    case Change::same:
      return Tone::good;
    case Change::inconclusive:
    case Change::refused:
      return Tone::open;
    case Change::not_measured:
    case Change::only_base:
    case Change::only_new:
      return Tone::quiet;
  }
  throw std::logic_error("a change outside its enumeration");
}

/// "runs scatter by 0.62 % (prior: CPU, compute-bound; 5 degrees)"
std::string scatter_text(const CaseScatter& scatter) {
  const std::string source = scatter.source == ScatterSource::prior
                                 ? fmt::format("prior: {}", scatter.class_name)
                                 : fmt::format("{} runs of the history", scatter.observed);
  return fmt::format("runs scatter by {:.2g} % ({}; {:.3g} degrees)", 100 * scatter.runs.deviation, source,
                     scatter.runs.degrees);
}

std::string case_line(const CaseChange& one, const Style& style) {
  std::string line = painted(fmt::format("{:<13}", name(one.change)), tone_of(one.change), style) + " " + one.id;
  if (one.test) {
    line += fmt::format("\n              {} -> {}: {} ({} .. {})", format_seconds(one.base_seconds, {}, {}),
                        format_seconds(one.new_seconds, {}, {}), percent(one.test->ratio),
                        percent(one.test->ratio_95.low), percent(one.test->ratio_95.high));
    if (one.cycles_ratio)
      line += fmt::format("; at the same clock {} (clock {})", percent(*one.cycles_ratio), percent(*one.clock_ratio));
    if (one.scatter) line += "; " + scatter_text(*one.scatter);
  }
  if (!one.reason.empty()) line += "\n              " + one.reason;
  for (const auto& remark : one.remarks) line += "\n              " + remark;
  return line + "\n";
}

std::string basis(const Comparison& comparison) {
  const std::string level = fmt::format(
      "Time of NEW over BASE with its 95 % interval; margin {:.3g} %. Holm's correction: with that many cases, the "
      "chance of one false faster or slower, or more, is at most {:.0f} %.",
      100 * comparison.rule.margin, 100 * comparison.rule.level);
  switch (comparison.unit) {
    case ComparedUnit::sample:
      return level +
             " One run a side: intervals are of its samples and of what runs differ by among themselves, from the "
             "history where that is named, else from a prior that the other cases moderate (most of which are taken "
             "not to have changed); --ab measures it.";
    case ComparedUnit::run:
      return level + " Intervals are of runs' medians (Welch's t on logarithms).";
    case ComparedUnit::pair:
      return level + " Intervals are of pairs of runs that took turns (Student's t on logarithms).";
  }
  throw std::logic_error("a unit outside its enumeration");
}

Json or_null(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? Json(*value) : Json(nullptr);
}

/// How much runs differ among themselves: of one run, in relative terms; null where several a side show it.
Json scatter_json(const std::optional<CaseScatter>& scatter) {
  if (!scatter) return nullptr;
  return {{"source", name(scatter->source)},
          {"deviation", scatter->runs.deviation},
          {"degrees", scatter->runs.degrees},
          {"observed", scatter->observed},
          {"factor", scatter->factor},
          {"class", scatter->class_name.empty() ? Json(nullptr) : Json(scatter->class_name)},
          {"disturbed", scatter->disturbed.empty() ? Json(nullptr) : Json(scatter->disturbed)}};
}

Json to_json(const CaseChange& one) {
  const auto& test = one.test;
  return {{"id", one.id},
          {"change", name(one.change)},
          {"reason", one.reason},
          {"remarks", one.remarks},
          {"base_seconds", or_null(one.base_seconds)},
          {"new_seconds", or_null(one.new_seconds)},
          {"base_units", one.base_units},
          {"new_units", one.new_units},
          {"ratio", test ? Json(test->ratio) : Json(nullptr)},
          {"ratio_low", test ? Json(test->ratio_95.low) : Json(nullptr)},
          {"ratio_high", test ? Json(test->ratio_95.high) : Json(nullptr)},
          {"p_changed", or_null(one.p_changed)},
          {"p_not_same", or_null(one.p_not_same)},
          {"run_scatter", scatter_json(one.scatter)},
          {"clock_ratio", or_null(one.clock_ratio)},
          {"ratio_at_same_clock", or_null(one.cycles_ratio)}};
}

}  // namespace

std::string to_console(const Comparison& comparison, const Style& style) {
  std::string out;
  for (const auto& [what, base, next] : comparison.differences)
    out += fmt::format("{} differs: {} and {}\n", what, or_unknown(base), or_unknown(next));
  if (!out.empty()) out += "\n";
  std::string counts;
  for (const Change change : kOrder) {
    for (const auto& one : comparison.cases)
      if (one.change == change) out += case_line(one, style);
    if (const auto count = comparison.count(change))
      counts += fmt::format("{}{} {}", counts.empty() ? "" : ", ", count, name(change));
  }
  return out + "\n" + (counts.empty() ? "no cases" : counts) + "\n" + basis(comparison) + "\n";
}

std::string to_comparison_json(const Comparison& comparison) {
  Json differences = Json::array(), cases = Json::array(), counts = Json::object();
  for (const auto& [what, base, next] : comparison.differences)
    differences.push_back({{"what", what}, {"base", base}, {"new", next}});
  for (const auto& one : comparison.cases) cases.push_back(to_json(one));
  for (const Change change : kOrder) counts[name(change)] = comparison.count(change);
  const Json out = {{"schema", "assay-comparison/1"}, {"margin", comparison.rule.margin},
                    {"level", comparison.rule.level}, {"correction", "holm"},
                    {"unit", name(comparison.unit)},  {"counts", counts},
                    {"differences", differences},     {"cases", cases}};
  return out.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace assay
