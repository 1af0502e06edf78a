// Lengths of time as people type them.
#pragma once
#include <string>

namespace assay {

/// "90s", "30m", "2h": a whole number above 0 and its unit; at most 30 days.  InputError, naming `flag`, for anything
/// else.
double parse_duration(const std::string& text, const std::string& flag);

/// "100ms", "1s" -> seconds, 10 ms to 60 s; "off" -> 0.  InputError naming `flag` otherwise.
double parse_period(const std::string& text, const std::string& flag);

}  // namespace assay
