// How a table is written: JSON, CSV, Markdown, the console; digits and units.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "harness/publish/table/table.h"
#include "harness/publish/units.h"
#include "tests/harness/publish/mixed_result.h"
#include "tests/harness/publish/peak_records.h"

namespace assay {
namespace {

using testing::HasSubstr;
using testing::Not;
using Json = nlohmann::ordered_json;

TEST(Console, KeepsBytesWhereNothingElseIsKnown) {
  EXPECT_THAT(to_console(table_rows({sample_result({peak_record("copy", 1e10)})}), 60), HasSubstr("GB/s"));
}

TEST(TableJson, HasEveryFieldOfTheContract) {
  const Json rows = Json::parse(to_table_json(table_rows({mixed_result()})));
  ASSERT_EQ(rows.size(), 7u);
  for (const auto& row : rows) {
    for (const char* key : {"id", "workload", "kernel", "device", "dtype", "mode", "cache", "outcome", "reason",
                            "seconds", "seconds_low", "seconds_high", "samples", "flops_per_second", "bytes_per_second",
                            "percent_of_peak", "percent_of_measured_peak", "percent_of_vendor", "error_over_allowed"})
      EXPECT_TRUE(row.contains(key)) << key;
    if (row["outcome"] == "ok") continue;
    for (const char* key : {"seconds", "seconds_low", "seconds_high", "flops_per_second", "bytes_per_second",
                            "bus_bytes_per_second", "percent_of_peak", "percent_of_vendor"})
      EXPECT_TRUE(row[key].is_null()) << key << " of " << row["outcome"];
    EXPECT_NE(row["reason"], "");
  }
  EXPECT_EQ(rows[3]["error_over_allowed"], 7.0);
  EXPECT_EQ(to_table_json({}), "[]\n");
}

TEST(Csv, QuotesAsRfc4180Does) {
  const std::string csv = to_csv(table_rows({mixed_result()}));
  EXPECT_EQ(
      csv.substr(0, csv.find("\r\n")),
      "id,workload,kernel,vendor,device,accelerator,dtype,shape,labels,mode,cache,outcome,reason,seconds,seconds_low,"
      "seconds_high,samples,flops_per_second,bytes_per_second,bus_bytes_per_second,percent_of_peak,"
      "percent_of_measured_peak,percent_of_copy,percent_of_stream,stream,percent_of_vendor,error_over_allowed,"
      "first_seconds,rank_mean_seconds,rank_skew_seconds,predicted_seconds,algorithm,protocol,"
      "ceiling_bytes_per_second,percent_of_ceiling,ceiling,percent_of_reference,reference,reference_source,"
      "origin,source,peak_flops_per_second,percent_at_clock,clock_mhz,power_watts,flops_per_joule,joules_per_pflop,"
      "dollars_per_device_hour,price_source,pflop_per_dollar,tokens,tokens_per_dollar,run,cpu,seal");
  EXPECT_THAT(csv, HasSubstr(",failed,\"a | b, \"\"c\"\"\nd\",,,,0,,,,,,,,,,,,,,,,,,,,,,,measured,,,,,,,,,,,,,\"host, "
                             "2026-01-31T12:34:56Z\",2 threads,none\r\n"));
  EXPECT_EQ(csv.substr(csv.size() - 2), "\r\n");
}

TEST(Markdown, IsATableWhoseCellsStayInTheirColumns) {
  const std::string text = to_markdown(table_rows({mixed_result()}));
  std::istringstream lines(text);
  std::string header, rule, row;
  std::getline(lines, header);
  std::getline(lines, rule);
  std::getline(lines, row);
  EXPECT_EQ(header,
            "| workload | kernel | device | dtype | shape | shape of | cache | mode | time | 95 % interval | samples | "
            "FLOP/s | bytes/s "
            "| % of vendor | error/allowed | outcome |");
  EXPECT_EQ(rule, "|---|---|---|---|---|---|---|---|---:|---:|---:|---:|---:|---:|---:|---|");
  EXPECT_EQ(std::count(row.begin(), row.end(), '|'), std::count(header.begin(), header.end(), '|'));
  EXPECT_THAT(text, HasSubstr("failed: a \\| b, \"c\" d\n"));
  EXPECT_THAT(text, HasSubstr("WRONG"));
  EXPECT_EQ(to_markdown({}), "No cases.\n");
}

TEST(Markdown, AnIdDoesNotLeaveItsCode) {
  Record record = reason_record(OutcomeKind::failed, "no memory");
  record.point.kernel = "k` <img src=x> `";
  const std::string text = to_markdown(table_rows({sample_result({record})}));
  EXPECT_THAT(text, HasSubstr("- `gemm/k' <img src=x> '/"));
}

/// Of the table: the reasons below it hold ids, which are never cut.
std::size_t longest_line(const std::string& text) {
  std::istringstream lines(text);
  std::size_t longest = 0;
  for (std::string line; std::getline(lines, line) && !line.empty();) longest = std::max(longest, line.size());
  return longest;
}

TEST(Console, FitsItsWidth) {
  const Result result = mixed_result();
  for (const int columns : {80, 100, 120, 160})
    EXPECT_LE(longest_line(to_console(table_rows({result}), columns)), std::size_t(columns)) << columns;
  const std::string wide = to_console(table_rows({result}), 400), narrow = to_console(table_rows({result}), 80);
  EXPECT_THAT(wide, HasSubstr("samples"));
  EXPECT_THAT(narrow, Not(HasSubstr("samples")));
  EXPECT_THAT(narrow, HasSubstr("cpu_blocked"));
}

/// All that a table says is there at any width: names go over several lines, none is cut.
TEST(Console, WrapsNamesAndMakesCardsWhereNoTableFits) {
  Record record = ok_record(64, "a_kernel_of_a_very_long_name_indeed");
  const auto rows = table_rows({sample_result({record, ok_record(4096)})});
  for (const int columns : {30, 40, 60, 80, 200}) {
    const std::string text = to_console(rows, columns);
    EXPECT_LE(longest_line(text), std::size_t(columns)) << text;
    std::string letters = text;
    std::erase_if(letters, [](char c) { return c == ' ' || c == '\n'; });
    EXPECT_THAT(letters, HasSubstr(columns < 80 ? "indeed" : "a_kernel_of_a_very_long_name_indeed")) << text;
    EXPECT_THAT(letters, HasSubstr("4096")) << text;
    EXPECT_THAT(text, Not(HasSubstr(".."))) << text;
  }
}

TEST(Console, PaintsWhatIsWrongOnlyWhereThereIsColour) {
  const auto rows = table_rows({sample_result({ok_record(64), wrong_record(65)})});
  EXPECT_THAT(to_console(rows, {200, true}), HasSubstr("\033[31mcpu_blocked"));
  EXPECT_THAT(to_console(rows, {200, false}), Not(HasSubstr("\033")));
}

TEST(Console, ShowsNoIntervalOfTooFewSamples) {
  Record record = ok_record();
  record.measurement.seconds.resize(5);
  EXPECT_THAT(to_console(table_rows({sample_result({record})}), 200), Not(HasSubstr("interval")));
}

TEST(Console, AlignsItsColumns) {
  const auto rows = table_rows({sample_result({ok_record(64, "cpu_blocked", 4e-3), ok_record(4096, "x", 1e-6)})});
  EXPECT_EQ(to_console(rows, 400), R"(gemm: layout=tn n=128 k=256 cpu cold burst
kernel       dtype  shape   shape of                    time  95 % interval  samples          FLOP/s      bytes/s  error/allowed
cpu_blocked  bf16   m=64    llama3-8b/qkv/forward  4.0000 ms    -0.2 +0.2 %       20   500.0 GFLOP/s  0.7500 GB/s           0.25
x            bf16   m=4096  llama3-8b/qkv/forward  1.0000 us    -0.2 +0.2 %       20  2000.0 TFLOP/s  3000.0 GB/s           0.25

)");
}

TEST(Console, SaysWrongFailedAndSkippedWithTheirReasonAndNoRate) {
  const Result result = sample_result({wrong_record(65), reason_record(OutcomeKind::failed, "the launch failed", 66),
                                       reason_record(OutcomeKind::skipped, "no sm_90", 67)});
  const std::string text = to_console(table_rows({result}), 200);
  EXPECT_THAT(text, HasSubstr("WRONG\n"));
  EXPECT_THAT(text, HasSubstr("\nwrong: d[1, 2] is 0.3"));
  EXPECT_THAT(text, HasSubstr("failed: the launch failed\n  gemm/"));
  EXPECT_THAT(text, HasSubstr("skipped: no sm_90\n  " + sample_case(67).id() + "\n"));
  for (const char* rate : {"FLOP/s", "GB/s", " ms", " us"}) EXPECT_THAT(text, Not(HasSubstr(rate)));
}

TEST(FormatWithInterval, ShowsTheDigitsTheIntervalSupports) {
  EXPECT_EQ(format_with_interval(123.456, 122.9, 124.02), "123.46");  // half width 0.56
  EXPECT_EQ(format_with_interval(123.456, 118, 128), "123.5");        // 5.0
  EXPECT_EQ(format_with_interval(123.456, 100, 140), "123");          // 20
  EXPECT_EQ(format_with_interval(123.456, -1e3, 1e3), "100");         // 1000: one digit stays
  EXPECT_EQ(format_with_interval(123.456, 23, 223), "120");           // 100
  EXPECT_EQ(format_with_interval(123.456789, 123.456788, 123.456790), "123.457");
  EXPECT_EQ(format_with_interval(0.00123456789, 0.00123, 0.00124), "0.0012346");
  EXPECT_EQ(format_with_interval(1234567, 1234566, 1234568), "1234570");
  EXPECT_EQ(format_with_interval(123.456789, 123.456789, 123.456789), "123");  // one sample
  EXPECT_EQ(format_with_interval(0, 0, 0), "0");
  EXPECT_EQ(format_with_interval(std::nan(""), 0, 1), "-");
}

TEST(Units, AreChosenBySize) {
  EXPECT_EQ(format_seconds(1.5e-6, 1.35e-6, 1.65e-6), "1.50 us");
  EXPECT_EQ(format_seconds(2.5e-3, 2.35e-3, 2.65e-3), "2.50 ms");
  EXPECT_EQ(format_seconds(3.0, 2.0, 4.0), "3.0 s");
  EXPECT_EQ(format_seconds(5e-9, 4e-9, 6e-9), "0.0050 us");
  EXPECT_EQ(format_seconds(std::nullopt, 1, 2), "");
  EXPECT_EQ(format_flops(8e14, 1.0, 0.99, 1.01), "800.0 TFLOP/s");
  EXPECT_EQ(format_flops(9e9, 1.0, 0.99, 1.01), "9.000 GFLOP/s");
  EXPECT_EQ(format_bytes_rate(3.35e12, 1.0, 0.99, 1.01), "3350 GB/s");
}

}  // namespace
}  // namespace assay
