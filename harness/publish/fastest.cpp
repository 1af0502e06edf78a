#include "harness/publish/fastest.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "harness/publish/units.h"
#include "harness/suite/accelerators.h"

namespace assay {
namespace {

using Group = std::tuple<std::string, std::string, bool>;  // device, dtype, a library's

Group group_of(const TableRow& row) { return {row.device, row.dtype, row.vendor}; }

std::vector<const TableRow*> fastest_rows(const std::vector<TableRow>& rows, const std::string& workload) {
  std::vector<const TableRow*> fastest;
  for (const auto& row : rows) {
    if (row.workload != workload || !row.flops_per_second) continue;
    const auto same = std::find_if(fastest.begin(), fastest.end(),
                                   [&](const TableRow* other) { return group_of(*other) == group_of(row); });
    if (same == fastest.end())
      fastest.push_back(&row);
    else if (*row.flops_per_second > *(*same)->flops_per_second)
      *same = &row;
  }
  return fastest;
}

std::string interval(const TableRow& row) {
  const double work = *row.flops_per_second * *row.seconds;
  return fmt::format("{} .. {}", format_flops(work / *row.seconds_high, {}, {}, {}),
                     format_flops(work / *row.seconds_low, {}, {}, {}));
}

/// Of the figure published for that accelerator and dtype.
std::string percent_of_published(const TableRow& row, const std::vector<PublishedRate>& published) {
  const Accelerator* known = find_accelerator(row.accelerator);
  for (const auto& rate : published)
    if (known && rate.accelerator == known->name && name(rate.dtype) == row.dtype)
      return format_percent(100 * *row.flops_per_second / rate.flops_per_second);
  return {};
}

std::string full_name(const std::string& accelerator) {
  for (const auto& one : accelerators())
    if (one.name == accelerator) return one.full_name;
  return accelerator;
}

}  // namespace

std::string to_fastest(const std::vector<TableRow>& rows, const std::string& workload,
                       const std::vector<PublishedRate>& published) {
  const auto fastest = fastest_rows(rows, workload);
  if (fastest.empty()) return {};
  std::string out =
      "The fastest shapes found, measured again in full:\n\n"
      "| device | dtype | whose | kernel | shape | mode | FLOP/s | 95 % interval | % of peak | % of published |\n"
      "|---|---|---|---|---|---|---:|---|---:|---:|\n";
  std::set<std::string> dtypes;
  for (const TableRow* row : fastest) {
    dtypes.insert(row->dtype);
    out += fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |\n", row->device, row->dtype,
                       row->vendor ? "library" : "ours", row->kernel, row->shape, row->mode,
                       format_flops(row->flops_per_second, row->seconds, row->seconds_low, row->seconds_high),
                       interval(*row), format_percent(row->percent_of_peak), percent_of_published(*row, published));
  }
  std::string figures;
  std::set<std::string> sources;
  for (const auto& rate : published) {
    if (!dtypes.contains(name(rate.dtype))) continue;
    figures += fmt::format("- {}, {}: {}{}\n", full_name(rate.accelerator), name(rate.dtype),
                           format_flops(rate.flops_per_second, {}, {}, {}),
                           rate.shape.empty() ? "" : fmt::format(" at {}", rate.shape));
    sources.insert(rate.source);
  }
  if (figures.empty()) return out;
  out +=
      "\nPublished by others, the largest mean their search over shapes found with the vendor's library:\n\n" + figures;
  out += "\nSources:\n\n";
  for (const auto& source : sources) out += fmt::format("- {}\n", source);
  return out;
}

}  // namespace assay
