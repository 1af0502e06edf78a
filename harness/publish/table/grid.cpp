#include "harness/publish/table/grid.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "harness/publish/table/fields.h"
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

constexpr double kTera = 1e12;

/// A figure of others', with as many digits as documents give.
std::string stated_flops(const std::optional<double>& value) {
  return value ? fmt::format("{:.4g} TFLOP/s", *value / kTera) : std::string();
}

/// Three digits, without an exponent.
std::string plain(const std::optional<double>& value) {
  return value ? format_with_interval(*value, *value, *value) : std::string();
}
std::string scaled(std::optional<double> value, double unit) {
  if (value) *value /= unit;
  return plain(value);
}

struct ColumnSpec {
  const char* key;  // the field of the JSON that it is or is made of
  const char* title;
  bool numeric;
  int dispensable;
  std::string (*cell)(const TableRow&);
};

constexpr const char* kBytesTitle = "bytes/s";

constexpr ColumnSpec kColumns[] = {
    {"workload", "workload", false, 0, [](const TableRow& r) { return r.workload; }},
    {"kernel", "kernel", false, 0, [](const TableRow& r) { return r.kernel; }},
    {"accelerator", "accelerator", false, 4, [](const TableRow& r) { return r.accelerator; }},
    {"device", "device", false, 3, [](const TableRow& r) { return r.device; }},
    {"dtype", "dtype", false, 0, [](const TableRow& r) { return r.dtype; }},
    {"shape", "shape", false, 0, [](const TableRow& r) { return r.shape; }},
    {"labels", "shape of", false, 5, [](const TableRow& r) { return r.labels; }},
    {"cache", "cache", false, 6, [](const TableRow& r) { return r.cache; }},
    {"mode", "mode", false, 7, [](const TableRow& r) { return r.mode; }},
    {"seconds", "time", true, 0,
     [](const TableRow& r) { return format_seconds(r.seconds, r.seconds_low, r.seconds_high); }},
    {"seconds_low", "95 % interval", true, 5, interval},
    {"samples", "samples", true, 8,
     [](const TableRow& r) { return r.samples > 0 ? std::to_string(r.samples) : std::string(); }},
    {"flops_per_second", "FLOP/s", true, 0,
     [](const TableRow& r) {
       return r.origin == "measured" ? format_flops(r.flops_per_second, r.seconds, r.seconds_low, r.seconds_high)
                                     : stated_flops(r.flops_per_second);
     }},
    {"bytes_per_second", kBytesTitle, true, 9,
     [](const TableRow& r) { return format_bytes_rate(r.bytes_per_second, r.seconds, r.seconds_low, r.seconds_high); }},
    {"bus_bytes_per_second", "busbw", true, 0,
     [](const TableRow& r) {
       return format_bytes_rate(r.bus_bytes_per_second, r.seconds, r.seconds_low, r.seconds_high);
     }},
    {"rank_skew_seconds", "skew", true, 4,
     [](const TableRow& r) { return format_seconds(r.rank_skew_seconds, r.rank_skew_seconds, r.rank_skew_seconds); }},
    {"algorithm", "algorithm", false, 5,
     [](const TableRow& r) { return r.protocol.empty() ? r.algorithm : r.algorithm + " " + r.protocol; }},
    {"percent_of_ceiling", "% of ceiling", true, 1,
     [](const TableRow& r) { return format_percent(r.percent_of_ceiling); }},
    {"reference", "reference", false, 3, reference},
    {"percent_of_peak", "% of peak", true, 1, [](const TableRow& r) { return format_percent(r.percent_of_peak); }},
    {"stream", "of the rate of", false, 3, [](const TableRow& r) { return r.stream; }},
    {"percent_at_clock", "% at clock", true, 3, [](const TableRow& r) { return format_percent(r.percent_at_clock); }},
    {"percent_of_measured_peak", "% of measured peak", true, 2,  // on a CPU the column before says the same
     [](const TableRow& r) {
       return r.percent_of_measured_peak == r.percent_of_peak ? std::string()
                                                              : format_percent(r.percent_of_measured_peak);
     }},
    {"percent_of_vendor", "% of vendor", true, 2,
     [](const TableRow& r) { return format_percent(r.percent_of_vendor); }},
    {"clock_mhz", "MHz", true, 6, [](const TableRow& r) { return plain(r.clock_mhz); }},
    {"power_watts", "W", true, 6, [](const TableRow& r) { return plain(r.power_watts); }},
    {"flops_per_joule", "TFLOP/s per W", true, 6, [](const TableRow& r) { return scaled(r.flops_per_joule, kTera); }},
    {"joules_per_pflop", "J per PFLOP", true, 9, [](const TableRow& r) { return plain(r.joules_per_pflop); }},
    {"pflop_per_dollar", "PFLOP per $", true, 3, [](const TableRow& r) { return plain(r.pflop_per_dollar); }},
    {"tokens_per_dollar", "tokens per $", true, 4, [](const TableRow& r) { return plain(r.tokens_per_dollar); }},
    {"error_over_allowed", "error/allowed", true, 4,
     [](const TableRow& r) { return format_ratio(r.error_over_allowed); }},
    {"outcome", "outcome", false, 0, outcome},
};

/// Shown where they are asked for.
constexpr ColumnSpec kMoreColumns[] = {{"peak_flops_per_second", "dense peak", true, 0,
                                        [](const TableRow& r) { return stated_flops(r.peak_flops_per_second); }}};

/// Where bytes/s is all there is to say, no terminal is too narrow for it.
bool has_only_bytes(const TableRow& row) {
  return row.bytes_per_second && !row.flops_per_second && !row.bus_bytes_per_second;
}

/// Whether all GPUs are of one kind, and all CPUs: then its name says nothing.
bool of_one_kind(const std::vector<TableRow>& rows) {
  for (const auto& row : rows)
    for (const auto& other : rows)
      if ((row.device == "cpu") == (other.device == "cpu")) {
        if (row.accelerator != other.accelerator) return false;
        break;  // with the first of its kind
      }
  return true;
}

GridColumn column_of(const ColumnSpec& spec, const std::vector<TableRow>& rows) {
  GridColumn column{spec.title, spec.numeric, spec.dispensable, {}};
  for (const auto& row : rows) column.cells.push_back(spec.cell(row));
  return column;
}

/// Null for a field that has no column of its own.
const ColumnSpec* spec_of(const std::string& key) {
  for (const auto& spec : kColumns)
    if (spec.key == key) return &spec;
  for (const auto& spec : kMoreColumns)
    if (spec.key == key) return &spec;
  return nullptr;
}

/// A field that has no column of its own, as it stands.
GridColumn plain_column(const std::string& key, const std::vector<TableRow>& rows) {
  GridColumn column{key, true, 0, {}};
  for (const auto& row : rows) {
    const auto value = table_fields(row).at(key);
    column.numeric = column.numeric && !value.is_string();
    if (value.is_number_float())
      column.cells.push_back(fmt::format("{:.6g}", value.get<double>()));
    else
      column.cells.push_back(value.is_null() ? "" : value.is_string() ? value.get<std::string>() : value.dump());
  }
  return column;
}

}  // namespace

std::vector<GridColumn> make_grid(const std::vector<TableRow>& rows) {
  const bool bytes_matter = std::any_of(rows.begin(), rows.end(), has_only_bytes);
  const bool one_kind = of_one_kind(rows);
  std::vector<GridColumn> out;
  for (const auto& spec : kColumns) {
    if (one_kind && std::string_view(spec.key) == "accelerator") continue;
    GridColumn column = column_of(spec, rows);
    if (bytes_matter && column.title == kBytesTitle) column.dispensable = 0;
    const bool empty = std::all_of(column.cells.begin(), column.cells.end(), [](const auto& c) { return c.empty(); });
    if (!empty) out.push_back(std::move(column));
  }
  return out;
}

std::vector<GridColumn> make_grid(const std::vector<TableRow>& rows, const TableColumns& columns) {
  if (columns.empty()) return make_grid(rows);
  std::vector<GridColumn> out;
  for (const auto& key : columns) {
    const ColumnSpec* spec = spec_of(key);
    out.push_back(spec ? column_of(*spec, rows) : plain_column(key, rows));
  }
  return out;
}

}  // namespace assay
