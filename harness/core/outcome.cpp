#include "harness/core/outcome.h"

#include "harness/core/names.h"

namespace assay {
namespace {

constexpr Named<OutcomeKind> kOutcomes[] = {{OutcomeKind::ok, "ok"},
                                            {OutcomeKind::wrong, "wrong"},
                                            {OutcomeKind::failed, "failed"},
                                            {OutcomeKind::skipped, "skipped"},
                                            {OutcomeKind::timed_out, "timed_out"}};

}  // namespace

const char* name(OutcomeKind kind) { return find_name(kOutcomes, kind); }

std::optional<OutcomeKind> parse_outcome(std::string_view text) {
  OutcomeKind kind;
  return find_value(kOutcomes, text, kind) ? std::optional(kind) : std::nullopt;
}

}  // namespace assay
