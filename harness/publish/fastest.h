// The outcome of a search: the fastest case for each device and dtype, beside what others published.
#pragma once
#include <string>
#include <vector>

#include "harness/publish/table/table.h"
#include "harness/suite/published.h"

namespace assay {

/// Markdown: the fastest of our kernels and of the libraries' among `rows` of `workload`, and the published figures of
/// the dtypes that were measured.  Empty where no row has FLOP/s.
std::string to_fastest(const std::vector<TableRow>& rows, const std::string& workload,
                       const std::vector<PublishedRate>& published);

}  // namespace assay
