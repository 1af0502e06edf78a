#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <sstream>

#include "harness/publish/table/grid.h"
#include "harness/publish/table/table.h"
#include "harness/publish/table/vendor_summary.h"

namespace assay {
namespace {

constexpr int kGap = 2;
constexpr int kLeastText = 12;  // characters that a narrowed column keeps, more than any title has

int width_of(const GridColumn& column) {
  std::size_t width = column.title.size();
  for (const auto& cell : column.cells)
    for (std::size_t at = 0; at <= cell.size();) {
      const std::size_t end = std::min(cell.find('\n', at), cell.size());
      width = std::max(width, end - at);
      at = end + 1;
    }
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

/// Narrows the widest text column, whose cells then go over several lines, until the table fits; false where it cannot.
bool narrow(std::vector<GridColumn>& grid, int columns) {
  for (int excess; (excess = total_width(grid) - columns) > 0;) {
    GridColumn* widest = nullptr;
    for (auto& column : grid)
      if (!column.numeric && (!widest || width_of(column) > width_of(*widest))) widest = &column;
    if (!widest || width_of(*widest) <= kLeastText) return false;
    const int room = std::max(kLeastText, width_of(*widest) - excess);
    for (auto& cell : widest->cells) cell = folded(cell, room);
  }
  return true;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

/// A row, or the titles where `row` is below 0, over as many lines as its longest cell has.
std::string line(const std::vector<GridColumn>& grid, int row) {
  std::vector<std::vector<std::string>> cells;
  std::size_t height = 1;
  for (const auto& column : grid) {
    cells.push_back(lines_of(row < 0 ? column.title : column.cells[std::size_t(row)]));
    height = std::max(height, cells.back().size());
  }
  std::string out;
  for (std::size_t at = 0; at < height; ++at) {
    std::string text;
    for (std::size_t i = 0; i < grid.size(); ++i) {
      const std::string cell = at < cells[i].size() ? cells[i][at] : "";
      if (i > 0) text += std::string(kGap, ' ');
      text += grid[i].numeric ? fmt::format("{:>{}}", cell, width_of(grid[i]))
                              : fmt::format("{:<{}}", cell, width_of(grid[i]));
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + "\n";
  }
  return out;
}

/// Where no table fits: what a row is, and below it its figures with their titles.
std::string card(const std::vector<GridColumn>& grid, std::size_t row, int columns) {
  std::string what, figures;
  for (const auto& column : grid) {
    const std::string& cell = column.cells[row];
    if (cell.empty()) continue;
    if (column.numeric)
      figures += fmt::format("{}{} {}", figures.empty() ? "  " : ", ", column.title, cell);
    else
      what += (what.empty() ? "" : " ") + cell;
  }
  return folded(what + "\n" + figures + "\n", columns);
}

/// Words of `text` on lines of at most `columns`, each indented.
std::string wrapped(const std::string& text, int columns, int indent) {
  std::string out, current;
  std::istringstream words(text);
  const auto room = std::size_t(std::max(8, columns - indent));
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

/// Every line in its own colour, so that one that is cut out keeps it.
std::string painted_lines(const std::string& text, Tone tone, const Style& style) {
  std::string out;
  for (const auto& one : lines_of(text)) out += painted(one, tone, style) + "\n";
  return out;
}

/// One workload's rows: a title with what they share, then a table of what differs.
std::string workload_table(std::vector<TableRow> rows, const Style& style) {
  const int columns = style.columns;
  std::vector<std::string> outcomes;
  for (const auto& row : rows) outcomes.push_back(row.outcome);
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
  const auto whole = grid;
  const bool fits = narrow(grid, columns);
  std::string out = painted_lines(wrapped(title, columns, 0), Tone::strong, style);
  if (fits) out += painted_lines(line(grid, -1), Tone::quiet, style);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const std::string text = fits ? line(grid, int(r)) : card(whole, r, columns);
    out += outcomes[r] == "ok"        ? text
           : outcomes[r] == "skipped" ? painted_lines(text, Tone::quiet, style)
                                      : painted_lines(text, Tone::bad, style);
  }
  return out + "\n";
}

/// Outcomes that are not ok, cases of the same reason together.
std::string reasons_text(const std::vector<TableRow>& rows, const Style& style) {
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
    const std::string& outcome = group.front()->outcome;
    out += painted_lines(wrapped(outcome + ": " + group.front()->reason, style.columns, 0),
                         outcome == "skipped" ? Tone::quiet : Tone::bad, style);
    const std::size_t shown = group.front()->outcome == "skipped" ? std::min(kMostSkipped, group.size()) : group.size();
    for (std::size_t i = 0; i < shown; ++i) out += "  " + group[i]->id + "\n";
    if (shown < group.size()) out += fmt::format("  and {} more\n", group.size() - shown);
  }
  return out;
}

}  // namespace

std::string to_console(const std::vector<TableRow>& rows, const Style& style) {
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
  for (auto& group : workloads) out += workload_table(std::move(group), style);
  for (const auto& line : vendor_summary(rows)) out += wrapped(line, style.columns, 0);
  for (const auto& note : peak_notes(rows)) out += wrapped(note, style.columns, 0);
  return out + reasons_text(rows, style);
}

}  // namespace assay
