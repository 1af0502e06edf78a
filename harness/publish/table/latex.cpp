// The table for a paper: tabular of the package booktabs.
#include <fmt/format.h>

#include "harness/publish/table/grid.h"
#include "harness/publish/table/row_extras.h"

namespace assay {
namespace {

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) switch (c) {
      case '&':
      case '%':
      case '$':
      case '#':
      case '_':
      case '{':
      case '}':
        out += '\\';
        out += c;
        break;
      case '~':
        out += "\\textasciitilde{}";
        break;
      case '^':
        out += "\\textasciicircum{}";
        break;
      case '\\':
        out += "\\textbackslash{}";
        break;
      case '<':
        out += "\\textless{}";  // in the usual font encoding a bare one prints as another character
        break;
      case '>':
        out += "\\textgreater{}";
        break;
      case '|':
        out += "\\textbar{}";
        break;
      case '"':
        out += "\\textquotedbl{}";
        break;
      case '`':
        out += "\\textasciigrave{}";
        break;
      case '-':  // two of these or more, of commas or of apostrophes, would become another character
      case ',':
      case '\'':
        out += !out.empty() && out.back() == c ? std::string("{}") + c : std::string(1, c);
        break;
      case '\n':
      case '\r':
        out += ' ';
        break;
      default:
        out += c;
    }
  return out;
}

/// The row before ends in a command that takes a star or a bracket behind it for its own.
std::string line(const std::vector<std::string>& cells) {
  std::string out = cells.front().find_first_of("[*") == 0 ? "{}" : "";
  for (const auto& cell : cells) out += (&cell == &cells.front() ? "" : " & ") + escaped(cell);
  return out + " \\\\\n";
}

/// Cases that are not ok, by their reasons.
std::string reasons(const std::vector<TableRow>& rows) {
  std::string out;
  for (const auto& row : rows)
    if (!row.reason.empty()) out += fmt::format("\n{}: {}: {}\n", escaped(row.id), row.outcome, escaped(row.reason));
  return out;
}

}  // namespace

std::string to_latex(const std::vector<TableRow>& rows, const TableColumns& columns,
                     const std::vector<std::string>& more_notes) {
  if (rows.empty()) return "% No cases.\n";
  const Footnotes notes = footnotes(rows, columns);
  auto grid = make_grid(rows, columns);
  if (!notes.texts.empty()) grid.push_back({"note", false, 0, notes.marks});
  std::string out = "% \\usepackage{booktabs} and \\usepackage[T1]{fontenc}\n\\begin{tabular}{", rule;
  std::vector<std::string> titles;
  for (const auto& column : grid) {
    out += column.numeric ? 'r' : 'l';
    titles.push_back(column.title);
  }
  out += "}\n\\toprule\n" + line(titles) + "\\midrule\n";
  for (std::size_t r = 0; r < rows.size(); ++r) {
    std::vector<std::string> cells;
    for (const auto& column : grid) cells.push_back(column.cells[r]);
    out += line(cells);
  }
  out += "\\bottomrule\n\\end{tabular}\n";
  std::string below;
  for (const auto& text : notes.texts) below += fmt::format("\nNote {}\n", escaped(text));
  for (const auto& note : peak_notes(rows)) below += fmt::format("\n{}\n", escaped(note));
  for (const auto& note : more_notes) below += fmt::format("\n{}\n", escaped(note));
  below += reasons(rows);
  return below.empty() ? out : out + "\n{\\footnotesize\n" + below + "}\n";
}

}  // namespace assay
