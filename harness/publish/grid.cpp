#include "harness/publish/grid.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/publish/units.h"

namespace assay {
namespace {

std::string interval(const TableRow& row) {
  constexpr std::int64_t kLeastSamples = 6;  // the range of fewer holds the median with less than 95 % confidence
  if (!row.seconds || !row.seconds_low || !row.seconds_high || row.samples < kLeastSamples) return {};
  // Relative, as percent of the median: the reader sees at once how sharp a figure is.  Two digits say that.
  const auto percent = [&](double distance) {
    const double value = 100 * distance / *row.seconds;
    return value < 10 ? fmt::format("{:.2g}", value) : fmt::format("{:.0f}", value);
  };
  return fmt::format("-{} +{} %", percent(*row.seconds - *row.seconds_low), percent(*row.seconds_high - *row.seconds));
}

/// What a case that is not ok says in place of a rate; the reason is for a place with room.
std::string outcome(const TableRow& row) {
  if (row.outcome == "wrong") return "WRONG";
  if (row.outcome == "timed_out") return "timed out";
  return row.outcome;
}

/// "97 % of DGX H100 (NVIDIA)", or that there is none.
std::string reference(const TableRow& row) {
  return row.percent_of_reference ? fmt::format("{:.0f} % of {}", *row.percent_of_reference, row.reference)
                                  : row.reference;
}

struct ColumnSpec {
  const char* title;
  bool numeric;
  int dispensable;
  std::string (*cell)(const TableRow&);
};

constexpr const char* kBytesTitle = "bytes/s";

constexpr ColumnSpec kColumns[] = {
    {"workload", false, 0, [](const TableRow& r) { return r.workload; }},
    {"kernel", false, 0, [](const TableRow& r) { return r.kernel; }},
    {"device", false, 3, [](const TableRow& r) { return r.device; }},
    {"dtype", false, 0, [](const TableRow& r) { return r.dtype; }},
    {"shape", false, 0, [](const TableRow& r) { return r.shape; }},
    {"shape of", false, 5, [](const TableRow& r) { return r.labels; }},
    {"cache", false, 6, [](const TableRow& r) { return r.cache; }},
    {"mode", false, 7, [](const TableRow& r) { return r.mode; }},
    {"time", true, 0, [](const TableRow& r) { return format_seconds(r.seconds, r.seconds_low, r.seconds_high); }},
    {"95 % interval", true, 5, interval},
    {"samples", true, 8, [](const TableRow& r) { return r.samples > 0 ? std::to_string(r.samples) : std::string(); }},
    {"FLOP/s", true, 0,
     [](const TableRow& r) { return format_flops(r.flops_per_second, r.seconds, r.seconds_low, r.seconds_high); }},
    {kBytesTitle, true, 9,
     [](const TableRow& r) { return format_bytes_rate(r.bytes_per_second, r.seconds, r.seconds_low, r.seconds_high); }},
    {"busbw", true, 0,
     [](const TableRow& r) {
       return format_bytes_rate(r.bus_bytes_per_second, r.seconds, r.seconds_low, r.seconds_high);
     }},
    {"skew", true, 4,
     [](const TableRow& r) { return format_seconds(r.rank_skew_seconds, r.rank_skew_seconds, r.rank_skew_seconds); }},
    {"algorithm", false, 5,
     [](const TableRow& r) { return r.protocol.empty() ? r.algorithm : r.algorithm + " " + r.protocol; }},
    {"% of ceiling", true, 1, [](const TableRow& r) { return format_percent(r.percent_of_ceiling); }},
    {"reference", false, 3, reference},
    {"% of peak", true, 1, [](const TableRow& r) { return format_percent(r.percent_of_peak); }},
    {"% of measured peak", true, 2,  // on a CPU the column before says the same
     [](const TableRow& r) {
       return r.percent_of_measured_peak == r.percent_of_peak ? std::string()
                                                              : format_percent(r.percent_of_measured_peak);
     }},
    {"% of vendor", true, 2, [](const TableRow& r) { return format_percent(r.percent_of_vendor); }},
    {"error/allowed", true, 4, [](const TableRow& r) { return format_ratio(r.error_over_allowed); }},
    {"outcome", false, 0, outcome},
};

/// Where bytes/s is all there is to say, no terminal is too narrow for it.
bool has_only_bytes(const TableRow& row) {
  return row.bytes_per_second && !row.flops_per_second && !row.bus_bytes_per_second;
}

}  // namespace

std::vector<GridColumn> make_grid(const std::vector<TableRow>& rows) {
  const bool bytes_matter = std::any_of(rows.begin(), rows.end(), has_only_bytes);
  std::vector<GridColumn> out;
  for (const auto& spec : kColumns) {
    GridColumn column{spec.title, spec.numeric, spec.dispensable, {}};
    if (bytes_matter && column.title == kBytesTitle) column.dispensable = 0;
    for (const auto& row : rows) column.cells.push_back(spec.cell(row));
    const bool empty = std::all_of(column.cells.begin(), column.cells.end(), [](const auto& c) { return c.empty(); });
    if (!empty) out.push_back(std::move(column));
  }
  return out;
}

}  // namespace assay
