// Rows and columns of text, before they become Markdown or lines of a terminal.
#pragma once
#include <string>
#include <vector>

#include "harness/publish/table/table.h"

namespace assay {

struct GridColumn {
  std::string title;
  bool numeric = false;            // aligned right
  int dispensable = 0;             // a narrow terminal drops the largest first; 0 stays
  std::vector<std::string> cells;  // one per row
};

/// The columns people read, in order; a column that is empty in every row is left out.
std::vector<GridColumn> make_grid(const std::vector<TableRow>&);
/// These columns, empty or not.
std::vector<GridColumn> make_grid(const std::vector<TableRow>&, const TableColumns&);

}  // namespace assay
