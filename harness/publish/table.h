// The comparison table: one flat row per record, and its texts.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "harness/record/result.h"

namespace assay {

/// Column meanings are in the README; null where not measured.
struct TableRow {
  std::string id, workload, kernel, device, dtype, mode, cache, outcome, reason, shape, accelerator, labels;
  bool vendor = false;                                       // a library's kernel: a yardstick
  std::optional<double> seconds, seconds_low, seconds_high;  // median and its 95 % interval
  std::int64_t samples = 0;
  std::optional<double> flops_per_second, bytes_per_second, bus_bytes_per_second;
  std::optional<double> percent_of_peak;           // GPU: of the datasheet's dense peak.  CPU: of the measured peak.
  std::optional<double> percent_of_measured_peak;  // of the `peak` cases of the same result (measured_peak.h)
  std::optional<double> percent_of_vendor;         // of the fastest vendor kernel on the same point in the same result
  std::optional<double> error_over_allowed;

  // Collectives (collective_columns.h).
  std::optional<double> rank_mean_seconds, rank_skew_seconds;  // over ranks, where each one's times are known
  std::optional<double> first_seconds;                         // the first launch, no sample; of every workload
  std::optional<double> predicted_seconds;                     // by the library itself
  std::string algorithm, protocol;                             // the library's words; empty where it says none
  std::optional<double> ceiling_bytes_per_second, percent_of_ceiling;
  std::string ceiling;  // how it follows, or why there is none
  std::optional<double> percent_of_reference;
  std::string reference;  // system and source in a few words, "no reference"; empty where none is to be expected
  std::string reference_source;
};

/// Which peak the table's percentages are of, a sentence each; none where it has no such percentage.
std::vector<std::string> peak_notes(const std::vector<TableRow>&);

/// In the order of the files.
std::vector<TableRow> table_rows(const std::vector<Result>&);

std::string to_markdown(const std::vector<TableRow>&);
std::string to_csv(const std::vector<TableRow>&);
std::string to_table_json(const std::vector<TableRow>&);
/// For a terminal `columns` wide.
std::string to_console(const std::vector<TableRow>&, int columns);

/// `value` with the digits its interval supports: two significant digits of the half width (at least 1 digit, at most
/// 6); 3 digits where the interval has no width, as that of a single sample.
std::string format_with_interval(double value, double low, double high);

}  // namespace assay
