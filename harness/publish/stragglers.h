// What a search for stragglers says, for people.
#pragma once
#include <string>

#include "harness/record/stragglers.h"

namespace assay {

/// Markdown that reads as text too: a row a member, then who is slow and what points at them, or that nobody is.
std::string to_text(const StragglerReport&);

}  // namespace assay
