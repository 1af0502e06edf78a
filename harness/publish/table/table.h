// The comparison table: one flat row per record, and its texts.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "harness/publish/style.h"
#include "harness/record/result.h"

namespace assay {

/// A circumstance of a measurement: {"power cap", "700 W"}.
struct Condition {
  std::string what, value;
};

/// Column meanings are in the README; null where not measured.
struct TableRow {
  std::string id, workload, kernel, device, dtype, mode, cache, outcome, reason, shape, accelerator, labels;
  bool vendor = false;                                       // a library's kernel: a yardstick
  std::optional<double> seconds, seconds_low, seconds_high;  // median and its 95 % interval
  std::int64_t samples = 0;
  std::optional<double> flops_per_second, bytes_per_second, bus_bytes_per_second;
  std::optional<double> percent_of_peak;           // GPU: of the datasheet's dense peak.  CPU: of the measured peak.
  std::optional<double> percent_of_measured_peak;  // of the `peak` cases of the same result (measured_peak.h)
  // Of work that only moves memory, of the copy rate and of streams with its own mix of reads and writes; CPU: the
  // latter is percent_of_peak where it is known.
  std::optional<double> percent_of_copy, percent_of_stream;
  std::string stream;                       // what of, where our cores were, and whether in turns
  std::optional<double> percent_of_vendor;  // of the fastest vendor kernel on the same point in the same result
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
  std::string run;   // whose: "HOST, 2026-01-31T12:34:56Z, REVISION"
  std::string cpu;   // what tells processors of one name apart: "2 threads, L1d 32 KiB"; empty on a GPU
  std::string seal;  // of the result: intact, none (an older assay wrote it), or broken: it was edited afterwards
  std::string origin = "measured";               // "published": by others; "datasheet": nothing of it was ever run
  std::string source;                            // of what was not measured here
  std::optional<double> peak_flops_per_second;   // the datasheet's dense peak
  std::optional<double> percent_at_clock;        // of that peak at the clock that was measured
  std::optional<double> clock_mhz, power_watts;  // telemetry: median; mean over the case, all its devices
  std::optional<double> flops_per_joule, joules_per_pflop;  // a FLOP/s per W is a FLOP per J
  std::optional<double> dollars_per_device_hour, pflop_per_dollar;
  std::string price_source;                         // whose price, and when
  std::optional<double> tokens, tokens_per_dollar;  // of a product that is a model's layer: through that layer alone
  std::vector<Condition> conditions;                // what rows may differ in without showing it
};

/// Which peak the table's percentages are of, a sentence each; none where it has no such percentage.
std::vector<std::string> peak_notes(const std::vector<TableRow>&);

/// In the order of the files.
std::vector<TableRow> table_rows(const std::vector<Result>&);

/// By the keys of the JSON; all of them, or those a reader needs, where there are none.
using TableColumns = std::vector<std::string>;
/// InputError naming the columns there are.
void expect_columns(const TableColumns&);

/// `more_notes` stand below with the table's own.
std::string to_markdown(const std::vector<TableRow>&, const TableColumns& = {},
                        const std::vector<std::string>& more_notes = {});
std::string to_latex(const std::vector<TableRow>&, const TableColumns& = {},
                     const std::vector<std::string>& more_notes = {});
std::string to_csv(const std::vector<TableRow>&, const TableColumns& = {});
std::string to_table_json(const std::vector<TableRow>&, const TableColumns& = {});
/// For a terminal.
std::string to_console(const std::vector<TableRow>&, const Style&);

/// `value` with the digits its interval supports: two significant digits of the half width (at least 1 digit, at most
/// 6); 3 digits where the interval has no width, as that of a single sample.
std::string format_with_interval(double value, double low, double high);

}  // namespace assay
