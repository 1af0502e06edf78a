#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "harness/publish/grid.h"
#include "harness/publish/table.h"

namespace assay {
namespace {

constexpr int kGap = 2;
constexpr int kLeastText = 12;  // characters a shortened column keeps, more than any title has
constexpr const char* kCut = "..";

int width_of(const GridColumn& column) {
  std::size_t width = column.title.size();
  for (const auto& cell : column.cells) width = std::max(width, cell.size());
  return int(width);
}

int total_width(const std::vector<GridColumn>& grid) {
  int total = 0;
  for (const auto& column : grid) total += width_of(column) + kGap;
  return total - kGap;
}

/// Drops the most dispensable column; false where all that are left must stay.
bool drop_one(std::vector<GridColumn>& grid) {
  const auto worst = std::max_element(
      grid.begin(), grid.end(), [](const GridColumn& a, const GridColumn& b) { return a.dispensable < b.dispensable; });
  if (worst == grid.end() || worst->dispensable == 0) return false;
  grid.erase(worst);
  return true;
}

/// Cuts the widest text column to what is left.
void shorten(std::vector<GridColumn>& grid, int columns) {
  for (int excess; (excess = total_width(grid) - columns) > 0;) {
    GridColumn* widest = nullptr;
    for (auto& column : grid)
      if (!column.numeric && (!widest || width_of(column) > width_of(*widest))) widest = &column;
    if (!widest || width_of(*widest) <= kLeastText) return;
    const auto keep = std::size_t(std::max(kLeastText, width_of(*widest) - excess));
    for (auto& cell : widest->cells)
      if (cell.size() > keep) cell = cell.substr(0, keep - 2) + kCut;
  }
}

std::string line(const std::vector<GridColumn>& grid, int row) {
  std::string out;
  for (const auto& column : grid) {
    const std::string& text = row < 0 ? column.title : column.cells[std::size_t(row)];
    if (!out.empty() || &column != &grid.front()) out += std::string(kGap, ' ');
    out +=
        column.numeric ? fmt::format("{:>{}}", text, width_of(column)) : fmt::format("{:<{}}", text, width_of(column));
  }
  out.erase(out.find_last_not_of(' ') + 1);
  return out + "\n";
}

/// Words of `text` on lines of at most `columns`, each indented.
std::string wrapped(const std::string& text, int columns, int indent) {
  std::string out, current;
  std::istringstream words(text);
  const auto room = std::size_t(std::max(20, columns - indent));
  const auto flush = [&] {
    if (!current.empty()) out += std::string(std::size_t(indent), ' ') + current + "\n";
    current.clear();
  };
  for (std::string word; words >> word;) {
    if (!current.empty() && current.size() + 1 + word.size() > room) flush();
    current += (current.empty() ? "" : " ") + word;
  }
  flush();
  return out;
}

}  // namespace

std::string to_console(const std::vector<TableRow>& rows, int columns) {
  if (rows.empty()) return "no cases\n";
  auto grid = make_grid(rows);
  // "ok" in every row says nothing.
  const bool all_ok = std::all_of(rows.begin(), rows.end(), [](const TableRow& row) { return row.outcome == "ok"; });
  if (all_ok) grid.pop_back();
  while (total_width(grid) > columns && drop_one(grid)) {
  }
  shorten(grid, columns);
  std::string out = line(grid, -1);
  for (std::size_t r = 0; r < rows.size(); ++r) out += line(grid, int(r));
  for (const auto& row : rows)
    if (!row.reason.empty()) out += fmt::format("\n{}: {}\n", row.outcome, row.id) + wrapped(row.reason, columns, 2);
  return out;
}

}  // namespace assay
