#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "harness/publish/verdict_texts.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

Json or_null(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? Json(*value) : Json(nullptr);
}

Tone tone_of(Standing standing) {
  switch (standing) {
    case Standing::fail:
      return Tone::bad;
    case Standing::could_not_measure:
      return Tone::open;
    case Standing::pass:
      return Tone::good;
    case Standing::not_judged:
      break;
  }
  return Tone::quiet;
}

Json to_json(const Judgement& j) {
  return {{"standing", name(j.standing)},
          {"wrong", j.wrong},
          {"result", j.result},
          {"host", j.host},
          {"id", j.id},
          {"expectation", j.expectation},
          {"source", j.source},
          {"unit", name(j.unit)},
          {"measured", or_null(j.measured)},
          {"expected", or_null(j.expected)},
          {"least", or_null(j.least)},
          {"cause", j.cause ? Json(name(j.cause->code)) : Json(nullptr)},
          {"action", j.cause ? Json(name(j.cause->action)) : Json(nullptr)},
          {"text", j.text}};
}

}  // namespace

std::string to_console(const Verdict& verdict, const Style& style) {
  const bool several = std::any_of(verdict.judgements.begin(), verdict.judgements.end(),
                                   [&](const Judgement& j) { return j.result != verdict.judgements.front().result; });
  std::string out;
  for (const auto& j : verdict.judgements) {
    const std::string where = several ? j.result + ": " : std::string();
    std::string line = fmt::format(" {}{}: {}", where, j.id, j.text);
    std::replace(line.begin(), line.end(), '\n', ' ');
    out += painted(fmt::format("{:<18}", name(j.standing)), tone_of(j.standing), style) + line + "\n";
  }
  const Tone all = verdict.code() == ExitCode::ok                  ? Tone::good
                   : verdict.code() == ExitCode::could_not_measure ? Tone::open
                                                                   : Tone::bad;
  return out + painted(verdict.line(), all, style) + "\n";
}

std::string to_json(const Verdict& verdict) {
  Json judgements = Json::array();
  for (const auto& j : verdict.judgements) judgements.push_back(to_json(j));
  const Json out = {{"verdict", verdict.line()},
                    {"exit_code", int(verdict.code())},
                    {"fail", verdict.count(Standing::fail)},
                    {"could_not_measure", verdict.count(Standing::could_not_measure)},
                    {"pass", verdict.count(Standing::pass)},
                    {"not_judged", verdict.count(Standing::not_judged)},
                    {"cases", judgements}};
  return out.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace assay
