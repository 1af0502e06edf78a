#include "harness/core/outcome.h"

#include <stdexcept>

namespace assay {
namespace {

struct Row {
  OutcomeKind kind;
  const char* name;
};
constexpr Row kOutcomes[] = {{OutcomeKind::ok, "ok"},
                             {OutcomeKind::wrong, "wrong"},
                             {OutcomeKind::failed, "failed"},
                             {OutcomeKind::skipped, "skipped"},
                             {OutcomeKind::timed_out, "timed_out"}};

}  // namespace

const char* name(OutcomeKind kind) {
  for (const auto& row : kOutcomes)
    if (row.kind == kind) return row.name;
  throw std::logic_error("an outcome outside its enumeration");
}

std::optional<OutcomeKind> parse_outcome(std::string_view text) {
  for (const auto& row : kOutcomes)
    if (text == row.name) return row.kind;
  return std::nullopt;
}

}  // namespace assay
