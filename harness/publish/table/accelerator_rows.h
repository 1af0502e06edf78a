// Rows that are accelerators rather than kernels, and rows of what others published.
#pragma once
#include <vector>

#include "harness/publish/table/table.h"

namespace assay {

/// The fastest row of each accelerator, workload, dtype, cache and mode, whosever kernel it is; where none was
/// measured, the first, with its reason.
std::vector<TableRow> accelerator_rows(const std::vector<TableRow>&);

/// configs/published, and the datasheets of the accelerators that nothing here runs on: of the dtypes that `rows` have,
/// or of all where `rows` are none.  Their outcome is their origin: nobody here checked what they computed.
std::vector<TableRow> published_rows(const std::vector<TableRow>& rows);

}  // namespace assay
