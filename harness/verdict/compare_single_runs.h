// Cases of which each side has one run: what runs differ by joins their tests.
#pragma once
#include <vector>

#include "harness/verdict/compare_units.h"

namespace assay {

/// Of every case with a test, from the history where that has enough of its runs, else from the prior and the other
/// cases.  `sides` are those of `cases`.
void add_scatter(const std::vector<CaseSides>& sides, const ComparedRuns& runs, double margin,
                 std::vector<CaseChange>& cases);

}  // namespace assay
