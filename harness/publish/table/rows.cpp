#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "harness/publish/measured_peak.h"
#include "harness/publish/table/collective_columns.h"
#include "harness/publish/table/row_extras.h"
#include "harness/publish/table/table.h"
#include "harness/record/device_model.h"
#include "harness/suite/accelerators.h"

namespace assay {
namespace {

std::string shape_of(const Case& point) {
  std::string out;
  for (const auto& axis : point.axes) out += (out.empty() ? "" : " ") + axis.name + "=" + to_string(axis.value);
  if (point.together > 1) out += " together=" + std::to_string(point.together);
  return out;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

/// Of the datasheet's dense peak; of its memory rate where the case measures that.
std::optional<double> datasheet_percent(const Record& record, const Rates& derived, const std::string& accelerator) {
  const Accelerator* known = record.point.device == Device::gpu ? find_accelerator(accelerator) : nullptr;
  if (!known) return std::nullopt;
  const bool memory = record.point.workload == "peak" && !derived.flops_per_second;
  const auto rate = memory ? derived.bytes_per_second : derived.flops_per_second;
  const auto peak = memory ? std::optional(known->memory_bytes_per_second) : known->peak(record.point.dtype);
  if (!rate || !peak || !(*peak > 0)) return std::nullopt;
  return 100 * *rate / *peak;
}

/// The rate a case is judged by: its FLOP where it does some, else what it moves.
std::optional<double> judged_rate(const Rates& derived) {
  if (derived.flops_per_second) return derived.flops_per_second;
  return derived.bus_bytes_per_second ? derived.bus_bytes_per_second : derived.bytes_per_second;
}

void add_memory_percents(const Record& record, const Rates& derived, const MeasuredPeaks& peaks, TableRow& row) {
  const auto copy = peaks.of_copy(record, derived), stream = peaks.of_stream(record, derived);
  if (copy) row.percent_of_copy = copy->percent, row.stream = copy->of;
  if (stream) row.percent_of_stream = stream->percent, row.stream = stream->of;
}

TableRow row_of(const Record& record, const Result& result, const MeasuredPeaks& peaks) {
  const Case& point = record.point;
  TableRow row;
  row.id = point.id();
  row.workload = point.workload;
  row.kernel = point.kernel;
  row.device = point.device_name();
  row.dtype = name(point.dtype);
  row.mode = name(point.mode);
  row.cache = name(point.cache);
  row.outcome = name(record.outcome.kind);
  row.reason = record.outcome.reason;
  row.shape = shape_of(point);
  row.accelerator = device_model(point, result.provenance);
  row.labels = joined(point.labels);
  row.vendor = record.vendor;
  row.seal = name(result.seal);
  row.samples = std::int64_t(record.measurement.seconds.size());
  add_conditions(record, result, row);
  if (record.check && std::isfinite(record.check->error_over_allowed))
    row.error_over_allowed = record.check->error_over_allowed;
  const auto derived = rates(record);
  if (!derived) return row;
  if (record.measurement.first_seconds > 0) row.first_seconds = record.measurement.first_seconds;
  add_collective_columns(record, *derived, result, peaks, row);
  row.seconds = derived->seconds.median;
  row.seconds_low = derived->seconds.median_95.low;
  row.seconds_high = derived->seconds.median_95.high;
  row.flops_per_second = derived->flops_per_second;
  row.bytes_per_second = derived->bytes_per_second;
  row.bus_bytes_per_second = derived->bus_bytes_per_second;
  add_telemetry(record, row);
  row.tokens = tokens_of(point);
  row.percent_of_measured_peak = peaks.percent(record, *derived);
  add_memory_percents(record, *derived, peaks, row);
  row.percent_of_peak =
      point.device == Device::cpu ? row.percent_of_measured_peak : datasheet_percent(record, *derived, row.accelerator);
  return row;
}

/// The record's rate on each class of cores that it has samples enough of: near cores are faster than far ones, whoever
/// computes on them, and a hypervisor may have moved a library while it was sampled and us not.
std::map<Placement, double> rates_by_placement(const Record& record, const Rates& derived) {
  constexpr std::size_t kLeastSamples = 6;  // whose range holds the median with 95 % confidence
  const auto rate = judged_rate(derived);
  if (!rate) return {};
  const Measurement& m = record.measurement;
  std::map<Placement, std::vector<double>> seconds;
  for (std::size_t i = 0; i < m.placement.size(); ++i) seconds[m.placement[i]].push_back(m.seconds[i]);
  std::map<Placement, double> out = {{derived.seconds.placement, *rate}};
  for (auto& [placement, some] : seconds) {
    if (some.size() < kLeastSamples || placement == derived.seconds.placement) continue;
    std::sort(some.begin(), some.end());
    out[placement] = *rate * derived.seconds.median / quantile(some, 0.5);
  }
  return out;
}

void append_rows(const Result& result, std::vector<TableRow>& out) {
  std::map<std::pair<std::string, Placement>, double> fastest_vendor;
  for (const auto& record : result.records) {
    const auto derived = rates(record);
    if (!record.vendor || !derived) continue;
    for (const auto& [placement, rate] : rates_by_placement(record, *derived)) {
      auto& fastest = fastest_vendor[{record.point.point_id(), placement}];
      fastest = std::max(fastest, rate);
    }
  }
  const MeasuredPeaks peaks(result);
  for (const auto& record : result.records) {
    out.push_back(row_of(record, result, peaks));
    const auto derived = rates(record);
    const auto rate = derived ? judged_rate(*derived) : std::nullopt;
    if (!rate) continue;
    const auto vendor = fastest_vendor.find({record.point.point_id(), derived->seconds.placement});
    if (vendor != fastest_vendor.end()) out.back().percent_of_vendor = 100 * *rate / vendor->second;
  }
}

constexpr const char* kStreamNote =
    "Work without FLOP: of the rate of memory streams in its own proportion of reads to writes (workload peak: copy, "
    "triad, read; three read and two written are a triad and a copy), with the cores placed as they were for the row; "
    "of the copy rate where a stream was not measured. In turns: median against median, or 5th percentile against 5th "
    "percentile where that is less; not in turns: measured at another time of the run, when the memory may have been "
    "faster or slower, and the row's median against the stream's 5th percentile.";

/// Rows of one accelerator whose clocks differ are no equals.
std::string clock_note(const std::vector<TableRow>& rows) {
  constexpr double kMatters = 1.02;
  std::map<std::string, std::pair<double, double>> range;  // of each accelerator
  std::string out;
  for (const auto& row : rows) {
    if (!row.clock_mhz) continue;
    auto& [low, high] = range.try_emplace(row.accelerator, *row.clock_mhz, *row.clock_mhz).first->second;
    low = std::min(low, *row.clock_mhz);
    high = std::max(high, *row.clock_mhz);
  }
  for (const auto& [accelerator, clocks] : range)
    if (clocks.second > kMatters * clocks.first)
      out += fmt::format("{}{}: clocks differ between rows, {:.0f} .. {:.0f} MHz.", out.empty() ? "" : " ", accelerator,
                         clocks.first, clocks.second);
  return out;
}

}  // namespace

std::vector<std::string> peak_notes(const std::vector<TableRow>& rows) {
  const auto any = [&](bool cpu, std::optional<double> TableRow::*percent) {
    return std::any_of(rows.begin(), rows.end(),
                       [&](const TableRow& row) { return (row.device == "cpu") == cpu && row.*percent; });
  };
  std::vector<std::string> notes;
  if (any(true, &TableRow::percent_of_peak))
    notes.push_back(
        "% of peak on a CPU: of what its own units reached in the same result (workload peak, same dtype, as many "
        "threads; by the 5th percentile of its times, so that a disturbed peak flatters nothing).");
  const auto moves_memory = [](const TableRow& row) { return row.percent_of_copy || row.percent_of_stream; };
  if (std::any_of(rows.begin(), rows.end(), moves_memory)) notes.push_back(kStreamNote);
  if (any(false, &TableRow::percent_of_peak))
    notes.push_back("% of peak on a GPU: of the dense peak, or memory rate, in its datasheet (configs/accelerators).");
  if (any(false, &TableRow::percent_of_measured_peak))
    notes.push_back(
        "% of measured peak: of what the GPU's own units reached in the same result (workload peak, same dtype).");
  for (auto& note : collective_notes(rows)) notes.push_back(std::move(note));
  if (any(false, &TableRow::percent_at_clock))
    notes.push_back(
        "% at clock: of that dense peak at the median clock that was measured, in place of the datasheet's.");
  if (const auto note = clock_note(rows); !note.empty()) notes.push_back(note);
  return notes;
}

std::vector<TableRow> table_rows(const std::vector<Result>& results) {
  std::vector<TableRow> out;
  for (const auto& result : results) append_rows(result, out);
  return out;
}

}  // namespace assay
