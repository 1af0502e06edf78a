// How one case ended.  A missing, empty or unparsable measurement is never a pass.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace assay {

enum class OutcomeKind { ok, wrong, failed, skipped, timed_out };

const char* name(OutcomeKind);
std::optional<OutcomeKind> parse_outcome(std::string_view);

struct Outcome {
  OutcomeKind kind = OutcomeKind::failed;
  std::string reason;  // empty exactly when kind is ok

  bool ok() const { return kind == OutcomeKind::ok; }
  bool operator==(const Outcome&) const = default;
};

}  // namespace assay
