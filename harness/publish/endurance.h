// What soaks, self-tests and devices measured together say beyond the table: a short table each, Markdown that reads as
// text.
#pragma once
#include <string>

#include "harness/record/result.h"

namespace assay {

/// Throughput over time, throttling and corruption of each soaked case; empty where none was.
std::string to_soak_summary(const Result&);
/// How often a margin was crossed by a case against itself, and which one the machine resolves; empty where none was.
std::string to_selftest_summary(const Result&);
/// How much of its lone throughput each device keeps when all work; empty where none was measured so.
std::string to_together_summary(const Result&);

}  // namespace assay
