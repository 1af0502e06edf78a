#include <fmt/format.h>

#include <algorithm>

#include "harness/publish/table/grid.h"
#include "harness/publish/table/row_extras.h"
#include "harness/publish/table/table.h"
#include "harness/publish/table/vendor_summary.h"

namespace assay {
namespace {

/// A cell may hold neither the separator nor a line break, and no text a tag, emphasis or code of its own.
std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '|' || c == '\\' || c == '*' || c == '`' || c == '<') out += '\\';
    out += c == '\n' || c == '\r' ? ' ' : c;
  }
  return out;
}

/// Between backticks, where nothing is escaped.
std::string as_code(std::string text) {
  std::replace(text.begin(), text.end(), '`', '\'');
  return "`" + text + "`";
}

std::string line(const std::vector<std::string>& cells) {
  std::string out = "|";
  for (const auto& cell : cells) out += fmt::format(" {} |", escaped(cell));
  return out + "\n";
}

}  // namespace

std::string to_markdown(const std::vector<TableRow>& rows, const TableColumns& columns,
                        const std::vector<std::string>& more_notes) {
  if (rows.empty()) return "No cases.\n";
  const Footnotes notes = footnotes(rows, columns);
  auto grid = make_grid(rows, columns);
  if (!notes.texts.empty()) grid.push_back({"note", false, 0, notes.marks});
  std::vector<std::string> titles;
  std::string rule = "|";
  for (const auto& column : grid) {
    titles.push_back(column.title);
    rule += column.numeric ? "---:|" : "---|";
  }
  std::string out = line(titles) + rule + "\n";
  for (std::size_t r = 0; r < rows.size(); ++r) {
    std::vector<std::string> cells;
    for (const auto& column : grid) cells.push_back(column.cells[r]);
    out += line(cells);
  }
  const auto summary = vendor_summary(rows);
  if (!summary.empty()) out += "\n";
  for (const auto& line : summary) out += fmt::format("- {}\n", escaped(line));
  for (const auto& text : notes.texts) out.append("\nNote ").append(escaped(text)).append("\n");
  for (const auto& note : peak_notes(rows)) out.append("\n").append(note).append("\n");
  for (const auto& note : more_notes) out.append("\n").append(escaped(note)).append("\n");
  bool first = true;
  for (const auto& row : rows) {
    if (row.reason.empty()) continue;
    if (first) out += "\nNot measured, or not right:\n\n";
    first = false;
    out += fmt::format("- {}: {}: {}\n", as_code(row.id), row.outcome, escaped(row.reason));
  }
  return out;
}

}  // namespace assay
