// What `assay run` leaves when a round is measured: files beside the result, and what it prints.
#pragma once
#include <filesystem>
#include <string>

#include "harness/record/result.h"
#include "harness/suite/suite.h"

namespace assay {

inline constexpr const char* kNcclTests = "nccl-tests";
inline constexpr const char* kJson = "json";

/// Writes OUT.json.md and OUT.gbench.json, and prints the table (as `format` says: "console", kJson or kNcclTests) and
/// where all that is.  `out` is where this result is, `run_out` the --out of the run it belongs to: the same, but in a
/// search's first round.
void publish(const Result&, const Suite&, const std::filesystem::path& out, const std::filesystem::path& run_out,
             const std::string& format);

}  // namespace assay
