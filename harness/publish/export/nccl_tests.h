// Collectives as nccl-tests prints them, for the scripts that read its output.
#pragma once
#include <string>
#include <vector>

#include "harness/record/result.h"

namespace assay {

/// Rows `size count type redop root | time algbw busbw #wrong` out of place and in place side by side, all else behind
/// '#', one table for what differs in more than size; then its two footers, once.  Differences: a time is the slowest
/// rank's median, not the mean; a placement that was not measured is N/A.  The footer says FAILED where numbers were
/// wrong, and where a case was not measured or none was, since no measurement is no pass.
std::string to_nccl_tests(const std::vector<Result>&);

}  // namespace assay
