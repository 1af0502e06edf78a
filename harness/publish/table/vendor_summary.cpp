#include "harness/publish/table/vendor_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <sstream>

namespace assay {
namespace {

/// The words ("layout=nt") of a row's shape whose axis is one of `axes`.
std::string words_of(const TableRow& row, const std::vector<std::string>& axes) {
  std::istringstream in(row.shape);
  std::string out;
  for (std::string word; in >> word;)
    if (std::find(axes.begin(), axes.end(), word.substr(0, word.find('='))) != axes.end()) out += " " + word;
  return out;
}

/// Rows that are averaged together.
struct Group {
  std::string name;
  std::vector<const TableRow*> rows;
};

std::string name_of(const TableRow& row) {
  return row.workload + "/" + row.kernel + " " + row.device + " " + row.dtype + words_of(row, {"scaling", "weights"}) +
         " " + row.cache + " " + row.mode;
}

/// By a name, in the order of its first row.
template <class Name>
std::vector<Group> groups_by(const std::vector<const TableRow*>& rows, Name name) {
  std::vector<Group> groups;
  for (const TableRow* row : rows) {
    const std::string key = name(*row);
    auto found = std::find_if(groups.begin(), groups.end(), [&](const Group& group) { return group.name == key; });
    if (found == groups.end()) found = groups.insert(groups.end(), {key, {}});
    found->rows.push_back(row);
  }
  return groups;
}

double ratio(const TableRow& row) { return *row.percent_of_vendor / 100; }

double geometric_mean(const std::vector<const TableRow*>& rows) {
  double logarithms = 0;
  for (const TableRow* row : rows) logarithms += std::log(ratio(*row));
  return std::exp(logarithms / double(rows.size()));
}

/// " (tn 1.01x, nn 1.02x)" where the rows have several layouts.
std::string by_layout(const Group& group) {
  const auto layouts = groups_by(group.rows, [](const TableRow& row) { return words_of(row, {"layout"}); });
  if (layouts.size() < 2) return {};
  std::string out;
  for (const auto& layout : layouts)
    out += fmt::format("{}{} {:.2f}x", out.empty() ? "" : ", ", layout.name.substr(layout.name.find('=') + 1),
                       geometric_mean(layout.rows));
  return " (" + out + ")";
}

/// "; up to 91 % of peak": of the datasheet's, or on a CPU of the measured one.
std::string highest_peak(const Group& group) {
  double highest = 0;
  for (const TableRow* row : group.rows) highest = std::max(highest, row->percent_of_peak.value_or(0));
  return highest > 0 ? fmt::format("; up to {:.0f} % of peak", highest) : std::string();
}

}  // namespace

std::vector<std::string> vendor_summary(const std::vector<TableRow>& rows) {
  std::vector<const TableRow*> ours;
  for (const auto& row : rows)
    if (!row.vendor && row.percent_of_vendor && *row.percent_of_vendor > 0) ours.push_back(&row);
  std::vector<std::string> lines;
  for (const Group& group : groups_by(ours, name_of)) {
    if (group.rows.size() < 2) continue;
    const TableRow& least = **std::min_element(group.rows.begin(), group.rows.end(),
                                               [](const auto* a, const auto* b) { return ratio(*a) < ratio(*b); });
    lines.push_back(
        fmt::format("{}: {:.2f}x the fastest library in the geometric mean of {} cases{}; least {:.2f}x at {}{}",
                    group.name, geometric_mean(group.rows), group.rows.size(), by_layout(group), ratio(least),
                    least.shape, highest_peak(group)));
  }
  return lines;
}

}  // namespace assay
