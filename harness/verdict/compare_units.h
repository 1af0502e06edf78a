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
CaseChange measure_change(const CaseSides&, ComparedUnit, double margin);

}  // namespace assay
