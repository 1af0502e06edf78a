// A comparison for people and for programs.
#pragma once
#include <string>

#include "harness/publish/style.h"
#include "harness/verdict/compare.h"

namespace assay {

/// What differs between the sides, then a line a case, the slower ones first, and what the verdicts rest on.
std::string to_console(const Comparison&, const Style& = kNoTerminal);
/// One object; null where not measured.
std::string to_comparison_json(const Comparison&);

}  // namespace assay
