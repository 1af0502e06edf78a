#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <set>

#include "harness/publish/verdict_texts.h"

namespace assay {
namespace {

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    out += c == '\n' ? std::string("\\n") : std::string(1, c);
  }
  return out;
}

std::string labels(const Judgement& j) {
  return fmt::format("{{host=\"{}\",result=\"{}\",case=\"{}\",expectation=\"{}\"}}", escaped(j.host), escaped(j.result),
                     escaped(j.id), escaped(j.expectation));
}

using Value = std::function<std::optional<double>(const Judgement&)>;

/// One metric: a series for each judgement that has a value.  A series is written once, as the format demands.
std::string metric(const Verdict& verdict, const char* metric_name, const char* help, const Value& value) {
  std::string out = fmt::format("# HELP {} {}\n# TYPE {} gauge\n", metric_name, help, metric_name);
  std::set<std::string> written;
  for (const auto& j : verdict.judgements) {
    const auto number = value(j);
    if (!number || !std::isfinite(*number) || !written.insert(labels(j)).second) continue;
    out += fmt::format("{}{} {}\n", metric_name, labels(j), *number);
  }
  return written.empty() ? std::string() : out;
}

}  // namespace

std::string to_prometheus(const Verdict& verdict) {
  std::string out = fmt::format(
      "# HELP assay_check_exit_code Exit code of assay check: 0 passed, 1 failed, 3 wrong numbers, 4 could not "
      "measure.\n"
      "# TYPE assay_check_exit_code gauge\nassay_check_exit_code {}\n",
      int(verdict.code()));
  out += "# HELP assay_check_cases Cases by standing.\n# TYPE assay_check_cases gauge\n";
  for (const Standing s : {Standing::fail, Standing::could_not_measure, Standing::not_judged, Standing::pass})
    out += fmt::format("assay_check_cases{{standing=\"{}\"}} {}\n", name(s), verdict.count(s));
  out +=
      metric(verdict, "assay_check_case_passed", "1 where the case passed, 0 where it failed or could not be measured.",
             [](const Judgement& j) -> std::optional<double> {
               if (j.standing == Standing::not_judged) return std::nullopt;
               return j.standing == Standing::pass ? 1 : 0;
             });
  out += metric(verdict, "assay_check_case_of_expected_ratio", "The measured rate over the expected one.",
                [](const Judgement& j) -> std::optional<double> {
                  if (!j.measured || !j.expected) return std::nullopt;
                  return *j.measured / *j.expected;
                });
  out +=
      metric(verdict, "assay_check_case_measured_rate", "The measured rate: FLOP/s or bytes/s, as the case's unit is.",
             [](const Judgement& j) { return j.measured; });
  return out;
}

}  // namespace assay
