#include "harness/publish/stragglers.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <fmt/format.h>

namespace assay {
namespace {

std::string duration(const std::optional<double>& seconds) {
  if (!seconds) return "-";
  if (std::abs(*seconds) < 1e-3) return fmt::format("{:.4g} us", *seconds * 1e6);
  return fmt::format("{:.4g} ms", *seconds * 1e3);
}

/// A Markdown table whose columns line up; the first row is its head.
std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(rows.front().size(), 0);
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  std::string text;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::size_t i = 0; i < rows[r].size(); ++i) text += fmt::format("| {:>{}} ", rows[r][i], widths[i]);
    text += "|\n";
    for (std::size_t i = 0; r == 0 && i < widths.size(); ++i) text += fmt::format("|{:->{}}:", "", widths[i] + 1);
    if (r == 0) text += "|\n";
  }
  return text;
}

std::string outcome(const StragglerReport& report) {
  if (!report.reason.empty()) return "stragglers: could not be measured: " + report.reason + "\n";
  if (report.found.empty())
    return fmt::format("stragglers: none among {} ranks and their devices\n", report.members.size());
  std::string text;
  for (const auto& one : report.found) text += fmt::format("straggler ({}): {}\n", name(one.cause), one.verdict);
  return text;
}

}  // namespace

std::string to_text(const StragglerReport& report) {
  std::string text;
  if (report.members.size() > 1) {
    std::vector<std::vector<std::string>> rows = {
        {"rank", "host", "device", "compute", "memory", "wait", "late", "last"}};
    for (const auto& one : report.members)
      rows.push_back({fmt::format("{}", one.rank), one.host, one.device, duration(one.compute_seconds),
                      duration(one.memory_seconds), duration(one.wait_seconds), duration(one.late_seconds),
                      one.late_seconds ? fmt::format("{} of {}", one.last, report.operations) : "-"});
    text += table(rows) + "\n";
  }
  text += outcome(report);
  for (const auto& note : report.notes) text += "note: " + note + "\n";
  return text;
}

}  // namespace assay
