// What the table says of collectives besides their rates: ranks, ceiling, reference.
#pragma once
#include <string>
#include <vector>

#include "harness/publish/measured_peak.h"
#include "harness/publish/table/table.h"

namespace assay {

/// Fills the row's part for collectives; of other workloads what their ranks say alone.
void add_collective_columns(const Record&, const Rates&, const Result&, const MeasuredPeaks&, TableRow&);

/// What the columns are of, a sentence each, and the documents that the references are from; none where no row has any.
std::vector<std::string> collective_notes(const std::vector<TableRow>&);

}  // namespace assay
