#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <sstream>

#include "harness/publish/grid.h"
#include "harness/publish/table.h"
#include "harness/publish/vendor_summary.h"

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

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), {}};
}

/// The axes ("heads=4") that all rows share, taken out of their shapes: said once above the table.
std::string take_common_axes(std::vector<TableRow>& rows) {
  if (rows.size() < 2) return {};
  std::string common;
  for (const auto& word : words_of(rows.front().shape)) {
    const auto has = [&](const TableRow& row) {
      const auto words = words_of(row.shape);
      return std::find(words.begin(), words.end(), word) != words.end();
    };
    if (std::all_of(rows.begin(), rows.end(), has)) common += " " + word;
  }
  const auto shared = words_of(common);
  for (auto& row : rows) {
    std::string rest;
    for (const auto& word : words_of(row.shape))
      if (std::find(shared.begin(), shared.end(), word) == shared.end()) rest += (rest.empty() ? "" : " ") + word;
    row.shape = rest;
  }
  return common;
}

/// One workload's rows: a title with what they share, then a table of what differs.
std::string workload_table(std::vector<TableRow> rows, int columns) {
  std::string title = rows.front().workload + ":" + take_common_axes(rows);
  for (std::string TableRow::*member : {&TableRow::device, &TableRow::cache, &TableRow::mode}) {
    const std::string first = rows.front().*member;
    if (!std::all_of(rows.begin(), rows.end(), [&](const TableRow& row) { return row.*member == first; })) continue;
    title += " " + first;
    for (auto& row : rows) (row.*member).clear();
  }
  // "ok" in every row says nothing.
  if (std::all_of(rows.begin(), rows.end(), [](const TableRow& row) { return row.outcome == "ok"; }))
    for (auto& row : rows) row.outcome.clear();
  for (auto& row : rows) row.workload.clear();
  auto grid = make_grid(rows);
  while (total_width(grid) > columns && drop_one(grid)) {
  }
  shorten(grid, columns);
  std::string out = wrapped(title, columns, 0) + line(grid, -1);
  for (std::size_t r = 0; r < rows.size(); ++r) out += line(grid, int(r));
  return out + "\n";
}

/// Outcomes that are not ok, cases of the same reason together.
std::string reasons_text(const std::vector<TableRow>& rows, int columns) {
  constexpr std::size_t kMostSkipped = 3;  // skipped cases of one reason: these by name, the rest by number
  std::vector<std::vector<const TableRow*>> groups;
  for (const auto& row : rows) {
    if (row.reason.empty()) continue;
    const auto same = [&](const auto& group) {
      return group.front()->reason == row.reason && group.front()->outcome == row.outcome;
    };
    const auto found = std::find_if(groups.begin(), groups.end(), same);
    if (found == groups.end())
      groups.push_back({&row});
    else
      found->push_back(&row);
  }
  std::string out;
  for (const auto& group : groups) {
    out += wrapped(group.front()->outcome + ": " + group.front()->reason, columns, 0);
    const std::size_t shown = group.front()->outcome == "skipped" ? std::min(kMostSkipped, group.size()) : group.size();
    for (std::size_t i = 0; i < shown; ++i) out += "  " + group[i]->id + "\n";
    if (shown < group.size()) out += fmt::format("  and {} more\n", group.size() - shown);
  }
  return out;
}

}  // namespace

std::string to_console(const std::vector<TableRow>& rows, int columns) {
  if (rows.empty()) return "no cases\n";
  std::vector<std::vector<TableRow>> workloads;  // in the order they first appear
  for (const auto& row : rows) {
    const auto found = std::find_if(workloads.begin(), workloads.end(),
                                    [&](const auto& group) { return group.front().workload == row.workload; });
    if (found == workloads.end())
      workloads.push_back({row});
    else
      found->push_back(row);
  }
  std::string out;
  for (auto& group : workloads) out += workload_table(std::move(group), columns);
  for (const auto& line : vendor_summary(rows)) out += wrapped(line, columns, 0);
  for (const auto& note : peak_notes(rows)) out += wrapped(note, columns, 0);
  return out + reasons_text(rows, columns);
}

}  // namespace assay
