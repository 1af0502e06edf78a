#include "harness/publish/fleet_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace assay {
namespace {

constexpr std::size_t kMapNodes = 40;  // worst first; more fit no screen
constexpr std::size_t kListed = 100;   // lines of a list; all are in the JSON

/// One character a case: percent slower, as a digit.
char letter(const HeatCell& cell) {
  if (cell.flagged && cell.deficit >= 0.095) return '#';
  if (!cell.flagged && cell.deficit < kLeastDeficit && cell.similarity < kSimilar) return '~';
  if (cell.deficit < 0.005) return '.';
  return char('0' + std::min(9, int(std::lround(100 * cell.deficit))));
}

std::string accused_line(const FleetPage& page, const Accusation& a) {
  const auto& node = page.files.nodes[a.node];
  if (a.evidence == "wrong")
    return fmt::format("{} {}: {}\n    {}\n", node.name, node.device_name(a.device), a.cause->text, a.scope);
  const char* how = a.evidence == "uneven"  ? "slower by its distribution"
                    : a.evidence == "drift" ? "slower than before"
                                            : "slower than the median";
  std::string out =
      fmt::format("{} {}: {:.1f} % {}, {}\n", node.name, node.device_name(a.device), 100 * a.deficit, how, a.scope);
  if (a.scope.find('/') == std::string::npos) out += fmt::format("    most in {}\n", page.cases[a.point].id);
  return out + fmt::format("    {}\n", a.cause ? a.cause->text : "cause not determined: the result holds no telemetry");
}

std::string cost_line(const FleetPage& page, const FleetGroup& group, bool without_accused) {
  const auto cost = cost_of_slowest(page.verdict, group, page.job_gpus, page.price_per_gpu_hour, without_accused);
  if (!cost) return {};
  const auto& node = page.files.nodes[cost->node];
  std::string out = fmt::format(
      "{}, {} {} is the slowest: each step of a job that waits for it takes {:.1f} % longer, {:.1f} of 24 hours",
      without_accused ? "Without the accused" : "As it stands", node.name, node.device_name(cost->device),
      100 * cost->longer, cost->hours_per_day);
  if (cost->money_per_day)
    out += fmt::format(", {:.2f} a day at {:g} a GPU-hour on {} GPUs", *cost->money_per_day, *page.price_per_gpu_hour,
                       page.job_gpus > 0 ? page.job_gpus : group.devices);
  return out + "\n";
}

using Row = std::map<std::size_t, const HeatCell*>;  // case -> the node's slowest device

std::map<std::size_t, Row> rows_of(const FleetPage& page, const FleetGroup& group) {
  std::map<std::size_t, Row> rows;
  for (const auto& cell : page.verdict.cells) {
    if (!std::binary_search(group.nodes.begin(), group.nodes.end(), cell.node)) continue;
    auto& slot = rows[cell.node][cell.point];
    if (!slot || slot->deficit < cell.deficit) slot = &cell;
  }
  return rows;
}

/// Nodes, worst first: the accused before the others.
std::vector<std::size_t> worst_nodes(const FleetPage& page, const FleetGroup& group) {
  std::vector<std::size_t> out;
  const auto add = [&](std::size_t node) {
    const bool here = std::binary_search(group.nodes.begin(), group.nodes.end(), node);
    if (here && out.size() < kMapNodes && std::find(out.begin(), out.end(), node) == out.end()) out.push_back(node);
  };
  for (const auto& a : page.verdict.accused) add(a.node);
  for (const auto& s : group.standings) add(s.node);
  return out;
}

std::string heat_map(const FleetPage& page, const FleetGroup& group, int columns) {
  const auto rows = rows_of(page, group);
  std::vector<std::size_t> points;
  for (const auto& [node, row] : rows)
    for (const auto& [point, cell] : row) points.push_back(point);
  std::sort(points.begin(), points.end(),
            [&](std::size_t a, std::size_t b) { return page.cases[a].id < page.cases[b].id; });
  points.erase(std::unique(points.begin(), points.end()), points.end());
  std::size_t width = 0;
  const auto nodes = worst_nodes(page, group);
  for (const std::size_t n : nodes) width = std::max(width, page.files.nodes[n].name.size());
  const std::size_t shown = std::min(points.size(), std::size_t(std::max(20, columns - int(width) - 2)));
  std::string out = fmt::format(
      "\nWorst {} of {} nodes, a column a case{}: percent slower than the median; # 10 and more, ~ its distribution is "
      "dissimilar, . at the median or faster, blank not measured\n",
      nodes.size(), group.nodes.size(),
      shown < points.size() ? fmt::format(" ({} of {}; --json has all)", shown, points.size()) : std::string());
  for (const std::size_t n : nodes) {
    out += fmt::format("{:<{}}  ", page.files.nodes[n].name, width);
    const auto row = rows.find(n);
    for (std::size_t i = 0; i < shown; ++i) {
      const bool there = row != rows.end() && row->second.count(points[i]);
      out += there ? letter(*row->second.at(points[i])) : ' ';
    }
    out += "\n";
  }
  return out;
}

/// "1 node", "3 nodes".
std::string counted(std::size_t n, const char* what) { return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s"); }

}  // namespace

std::string fleet_text(const FleetPage& page, const Style& style) {
  const auto& v = page.verdict;
  std::string out =
      fmt::format("{}, {} accused, {} not or not wholly judged\n", counted(page.files.nodes.size(), "node"),
                  counted(v.accused.size(), "device"), v.gaps.size());
  for (const auto& group : v.groups)
    out += fmt::format("{} with {}: {} judged in {}\n", counted(group.nodes.size(), "node"), group.hardware,
                       counted(group.devices, "device"), counted(group.cases, "case"));
  if (!v.accused.empty()) out += painted("\nAccused, worst first:", Tone::bad, style) + "\n";
  for (std::size_t i = 0; i < std::min(kListed, v.accused.size()); ++i) out += accused_line(page, v.accused[i]);
  if (v.accused.size() > kListed) out += fmt::format("and {} more, in --json\n", v.accused.size() - kListed);
  if (!v.gaps.empty()) out += painted("\nNot judged, or not wholly:", Tone::open, style) + "\n";
  for (const auto& gap : v.gaps) out += fmt::format("{}: {}\n", gap.node, gap.why);  // all: none is dropped silently
  if (!v.notes.empty()) out += "\n";
  for (const auto& note : v.notes) out += note + "\n";
  for (const auto& group : v.groups) {
    if (group.standings.empty()) continue;
    out += fmt::format("\n{}:\n{}{}", group.hardware, cost_line(page, group, false),
                       v.accused.empty() ? std::string() : cost_line(page, group, true));
    out += heat_map(page, group, style.columns);
  }
  return out;
}

}  // namespace assay
