// A row as its fields: the JSON's keys, the CSV's header, and the names of columns.
#pragma once
#include <nlohmann/json.hpp>

#include "harness/publish/table/table.h"

namespace assay {

/// One row, flat.  The order is that of the columns of the CSV.
nlohmann::ordered_json table_fields(const TableRow&);

}  // namespace assay
