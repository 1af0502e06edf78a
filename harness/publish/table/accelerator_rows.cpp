#include "harness/publish/table/accelerator_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "harness/suite/accelerators.h"
#include "harness/suite/published.h"

namespace assay {
namespace {

auto group_of(const TableRow& row) {
  return std::tie(row.accelerator, row.cpu, row.workload, row.dtype, row.cache, row.mode, row.origin, row.source);
}

/// What a row is ranked by: its FLOP where it does some, else what it moves; 0 where it was not measured.
double rate_of(const TableRow& row) {
  if (row.flops_per_second) return *row.flops_per_second;
  return row.bus_bytes_per_second ? *row.bus_bytes_per_second : row.bytes_per_second.value_or(0);
}

const Accelerator& accelerator_of(const PublishedRate& rate) { return accelerator_named(rate.accelerator); }

TableRow row_of(const PublishedRate& rate) {
  TableRow row;
  row.id = fmt::format("published/{}/{}/{}", rate.accelerator, name(rate.dtype), rate.source);
  row.workload = "gemm";
  row.kernel = "vendor's library";
  row.accelerator = accelerator_of(rate).full_name;
  row.dtype = name(rate.dtype);
  row.outcome = row.origin = "published";
  row.shape = rate.shape;
  row.vendor = true;
  row.source = rate.source + "; " + rate.conditions;
  row.flops_per_second = rate.flops_per_second;
  row.peak_flops_per_second = accelerator_of(rate).peak(rate.dtype);
  if (row.peak_flops_per_second) row.percent_of_peak = 100 * rate.flops_per_second / *row.peak_flops_per_second;
  return row;
}

TableRow row_of(const Accelerator& accelerator, const SourcedPeak& peak) {
  TableRow row;
  row.id = fmt::format("datasheet/{}/{}", accelerator.name, name(peak.dtype));
  row.workload = "gemm";
  row.accelerator = accelerator.full_name;
  row.dtype = name(peak.dtype);
  row.outcome = row.origin = "datasheet";
  row.source = peak.source + (peak.disputed ? "; sources disagree" : "");
  row.peak_flops_per_second = peak.flops_per_second;
  return row;
}

}  // namespace

std::vector<TableRow> accelerator_rows(const std::vector<TableRow>& rows) {
  std::vector<TableRow> out;
  for (const auto& row : rows) {
    const auto same =
        std::find_if(out.begin(), out.end(), [&](const TableRow& other) { return group_of(other) == group_of(row); });
    if (same == out.end())
      out.push_back(row);
    else if (rate_of(row) > rate_of(*same))
      *same = row;
  }
  return out;
}

std::vector<TableRow> published_rows(const std::vector<TableRow>& rows) {
  const auto wanted = [&](DType dtype) {
    return rows.empty() ||
           std::any_of(rows.begin(), rows.end(), [&](const TableRow& row) { return row.dtype == name(dtype); });
  };
  std::vector<TableRow> out;
  for (const auto& rate : published_rates())
    if (wanted(rate.dtype)) out.push_back(row_of(rate));
  for (const auto& accelerator : accelerators())
    for (const auto& peak : accelerator.peaks)
      if (accelerator.table_only && wanted(peak.dtype)) out.push_back(row_of(accelerator, peak));
  return out;
}

}  // namespace assay
