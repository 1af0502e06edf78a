// Two commands in turns: A B, B A, A B, ...
#pragma once
#include <filesystem>
#include <string>

#include "harness/verdict/compare.h"

namespace assay {

struct AlternateRuns {
  std::string base, next;        // shell commands, each with {out} where the result file's path goes
  int rounds = 6;                // even: each command goes first as often as the other
  std::filesystem::path folder;  // where the results stay
};

/// Runs them and reads what they left.  InputError for a command without {out} or an odd number of rounds; MeasureError
/// where a command ends without a result, or is interrupted.
ComparedRuns run_alternately(const AlternateRuns&);

}  // namespace assay
