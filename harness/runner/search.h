// A suite with a "search" is run in two rounds.  The first samples every case of the searched workload briefly; the
// second measures the fastest of them again, from scratch and in full, and reports that alone.
//
// Why twice: of many noisy figures the largest is too large (the winner's curse).  Each brief median has an error of
// some per cent, and choosing the maximum of a hundred of them chooses the luckiest error along with the fastest shape.
// The choice may use those figures; the result must not.
#pragma once
#include <filesystem>
#include <vector>

#include "harness/record/result.h"
#include "harness/suite/suite.h"

namespace assay {

/// The searched workload's cases, with the first round's sampling.
Suite first_round(const Suite&);

/// The fastest cases of the first round that were right: for each device and dtype `finalists` of our kernels and as
/// many of libraries', fastest first.
std::vector<Case> finalists(const SearchRule&, const Result& first);

/// Everything in the suite that is not searched, then the finalists.  MeasureError where the first round has none.
Suite second_round(const Suite&, const Result& first);

/// Where the first round's result lives: OUT.json -> OUT.first.json.
std::filesystem::path first_round_path(const std::filesystem::path& out);

}  // namespace assay
