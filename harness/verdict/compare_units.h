// One case of both sides, before it is judged beside all others.
#pragma once
#include <vector>

#include "harness/verdict/compare.h"

namespace assay {

/// A case in each result of a side; null where that result has none.
struct CaseSides {
  std::vector<const Record*> base, next;
};

/// The test and what goes with it; `change` is inconclusive where there is a test that is yet to be judged, and final
/// where there is none.
/// Of one run a side the test is of its samples alone: add_scatter (compare_single_runs.h) is yet to come.
CaseChange measure_change(const CaseSides&, ComparedUnit, double margin);

}  // namespace assay
