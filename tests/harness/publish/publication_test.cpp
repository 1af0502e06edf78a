// Tables for publication, prices, exports.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "harness/core/error.h"
#include "harness/publish/export/bencher.h"
#include "harness/publish/table/accelerator_rows.h"
#include "harness/publish/table/row_extras.h"
#include "tests/harness/record/sample_records.h"

namespace assay {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Json = nlohmann::ordered_json;

/// A case on an H200 at 1.525 GHz and 700 W: 989.5e12 / 2 FLOP/s.
Record gpu_record(std::int64_t m = 4096, Fill data = Fill::normal) {
  Record record = ok_record(m, "wgmma_sm90", 1e-3);
  record.measurement.seconds.assign(30, 1e-3);
  record.work.flops = 989.5e12 / 2 * 1e-3;
  record.measurement.batch = 1;
  record.point.device = Device::gpu;
  record.point.data = data;
  Telemetry telemetry;
  telemetry.device = "gpu0";
  telemetry.window_seconds = 2;
  telemetry.energy_joules = 1400;
  telemetry.readings.resize(2);
  for (auto& reading : telemetry.readings) reading.clock_mhz = 1525, reading.power_watts = 650;
  record.telemetry = {telemetry};
  return record;
}

Result gpu_result(std::vector<Record> records, const char* driver = "580.65.06") {
  Result result = sample_result(std::move(records));
  result.provenance["gpus"] = {
      {{"index", 0}, {"name", "NVIDIA H200"}, {"driver_version", driver}, {"power_limit_watts", 700.0}}};
  return result;
}

// By hand: half the peak of 989.5e12, which holds at 1.83 GHz; 1400 J in 2 s are 700 W.
TEST(TableRows, PutPowerAndClockBesideTheRate) {
  const TableRow row = table_rows({gpu_result({gpu_record()})})[0];
  EXPECT_NEAR(*row.percent_of_peak, 50, 1e-9);
  EXPECT_NEAR(*row.percent_at_clock, 50 * 1.83 / 1.525, 1e-9);
  EXPECT_NEAR(*row.power_watts, 700, 1e-9) << "the counter, not the readings";
  EXPECT_NEAR(*row.flops_per_joule, 989.5e12 / 2 / 700, 1);
  EXPECT_NEAR(*row.joules_per_pflop, 1e15 * 700 / (989.5e12 / 2), 1e-6);
  Record short_window = gpu_record();
  short_window.telemetry[0].window_seconds = 0.1;
  EXPECT_NEAR(*table_rows({gpu_result({short_window})})[0].power_watts, 650, 1e-9)
      << "an energy counter that ticks ten times a second says little of 0.1 s";
  EXPECT_FALSE(table_rows({sample_result({ok_record()})})[0].power_watts);
}

TEST(Prices, MakePflopAndTokensPerDollar) {
  auto rows = table_rows({gpu_result({gpu_record()})});
  add_prices({parse_price("h200=3.6,source=a list, of prices,date=2026-11")}, rows);
  EXPECT_NEAR(*rows[0].pflop_per_dollar, 0.98950 / 2 * 1000, 1e-6) << "3.6 $ an hour are 1000 s a dollar";
  EXPECT_NEAR(*rows[0].tokens_per_dollar, 4096 / 1e-3 * 1000, 1) << "llama3-8b/qkv/forward: a token a row";
  Record own = gpu_record();
  own.point.labels.clear();
  rows = table_rows({gpu_result({own})});
  add_prices({parse_price("h200=3.6,date=2026-11,source=x")}, rows);
  EXPECT_FALSE(rows[0].tokens_per_dollar) << "no model's layer";
  auto cpu = table_rows({sample_result({ok_record()})});
  add_prices({parse_price("h200=3.6,date=2026-11,source=x")}, cpu);
  EXPECT_FALSE(cpu[0].pflop_per_dollar) << "of another device";
}

TEST(Prices, HaveASourceAndADate) {
  for (const char* text : {"h200", "h200=", "h200=-1,source=x,date=2026", "h200=3,date=2026", "h200=3,source=x",
                           "h2000=3,source=x,date=2026", "h200=3,source=x,date=soon", "h200=3,source=x,date=2026-13",
                           "h200=3x,source=x,date=2026", "h200=nan,source=x,date=2026", "h200=3,source=x\ny,date=2026"})
    EXPECT_THROW(parse_price(text), InputError) << text;
  EXPECT_EQ(parse_price("h200=3,source=a, b,date=2026-11").source, "a, b");
}

TEST(Prices, SayWhereNoRowIsOfThem) {
  const std::vector<Price> prices = {parse_price("h200=3,source=x,date=2026-11-30")};
  EXPECT_THAT(price_notes(prices, table_rows({gpu_result({gpu_record()})})),
              testing::ElementsAre("Price of h200: 3 $ per device and hour (x, 2026-11-30)."));
  EXPECT_THAT(price_notes(prices, table_rows({sample_result({ok_record()})}))[0], HasSubstr("no row is of it"));
}

TEST(Tokens, AreOfTheDimensionThatHasThem) {
  Case point = sample_case(64);
  EXPECT_EQ(tokens_of(point), 64.0);
  point.labels = {"llama3-8b/qkv/wgrad/tp1"};
  EXPECT_EQ(tokens_of(point), 256.0) << "k is summed over";
  point.labels = {"deepseek-v3/expert_up/forward/ep8"};
  EXPECT_FALSE(tokens_of(point)) << "an expert sees some of them";
}

TEST(Footnotes, SayWhatRowsDifferIn) {
  const auto same = table_rows({gpu_result({gpu_record(1), gpu_record(2)})});
  EXPECT_THAT(footnotes(same, {}).texts, IsEmpty());
  const auto rows =
      table_rows({gpu_result({gpu_record(1), gpu_record(2, Fill::zeros)}), gpu_result({gpu_record(3)}, "570")});
  const auto notes = footnotes(rows, {});
  EXPECT_THAT(notes.texts, testing::ElementsAre("1: data normal, driver 580.65.06", "2: data zeros, driver 580.65.06",
                                                "3: data normal, driver 570"));
  EXPECT_THAT(notes.marks, testing::ElementsAre("1", "2", "3"));
  EXPECT_THAT(to_markdown(rows), HasSubstr("Note 2: data zeros, driver 580.65.06"));
  Record hot = gpu_record(4);
  hot.point.cache = Cache::hot;
  const auto both = table_rows({gpu_result({gpu_record(1), hot})});
  EXPECT_THAT(footnotes(both, {}).texts, IsEmpty()) << "there is a column";
  EXPECT_EQ(footnotes(both, {"kernel"}).texts.size(), 2u) << "which was not asked for";
}

TEST(AcceleratorRows, AreTheFastestOfEach) {
  Record slow = gpu_record(1), fast = gpu_record(2), cpu = ok_record(3);
  slow.work.flops /= 2;
  const auto rows = accelerator_rows(table_rows({gpu_result({slow, fast, cpu})}));
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].shape, "layout=tn m=2 n=128 k=256");
  EXPECT_EQ(rows[1].accelerator, "A CPU");
}

/// Several processors are called "AMD EPYC" by hypervisors: neither is the other's fastest.
TEST(AcceleratorRows, KeepProcessorsOfOneNameApart) {
  Result zen4 = sample_result({ok_record(1)}), zen5 = sample_result({ok_record(2, "cpu_blocked", 5e-4)});
  zen4.provenance["cpu"]["caches"] = {{{"name", "L1d"}, {"bytes", 32768}, {"count", 2}}};
  zen5.provenance["cpu"]["caches"] = {{{"name", "L1d"}, {"bytes", 49152}, {"count", 2}}};
  zen5.provenance["system"]["hostname"] = "other";
  const auto rows = table_rows({zen4, zen5});
  EXPECT_EQ(accelerator_rows(rows).size(), 2u);
  EXPECT_THAT(footnotes(rows, {}).texts[1], HasSubstr("run other, 2026-01-31T12:34:56Z"));
  EXPECT_THAT(footnotes(rows, {}).texts[1], HasSubstr("CPU 2 threads, L1d 48 KiB"));
}

TEST(PublishedRows, ShowWhoseTheyAre) {
  const auto rows = published_rows(table_rows({gpu_result({gpu_record()})}));
  ASSERT_FALSE(rows.empty());
  bool others = false, datasheet = false;
  std::set<std::string> accelerators;
  for (const auto& row : rows) {
    EXPECT_EQ(row.dtype, "bf16") << "what was measured";
    EXPECT_NE(row.outcome, "ok") << "nobody here checked it";
    EXPECT_FALSE(row.source.empty());
    others = others || (row.origin == "published" && row.flops_per_second);
    EXPECT_TRUE(row.origin != "published" || row.source.find(" not stated") != std::string::npos) << "its conditions";
    accelerators.insert(row.accelerator);
    datasheet = datasheet || (row.origin == "datasheet" && !row.flops_per_second && row.peak_flops_per_second);
  }
  EXPECT_TRUE(others);
  EXPECT_TRUE(datasheet);
  for (const char* name : {"AWS Trainium2", "Google TPU v6e (Trillium)", "AMD Instinct MI355X"})
    EXPECT_THAT(accelerators, Contains(name));
  const std::string markdown = to_markdown(rows, {"accelerator", "flops_per_second", "outcome"});
  EXPECT_THAT(markdown, HasSubstr("published by others: "));
  EXPECT_THAT(markdown, HasSubstr("never run here, datasheet only: "));
}

TEST(Columns, AreThoseAskedFor) {
  const auto rows = table_rows({gpu_result({gpu_record()})});
  EXPECT_EQ(to_csv(rows, {"kernel", "power_watts"}), "kernel,power_watts\r\nwgmma_sm90,700.0\r\n");
  EXPECT_EQ(Json::parse(to_table_json(rows, {"id"}))[0].size(), 1u);
  EXPECT_THAT(to_markdown(rows, {"dtype", "power_watts", "id"}), HasSubstr("| dtype | W | id |\n"));
  EXPECT_THROW(expect_columns({"kernel", "colour"}), InputError);
  EXPECT_NO_THROW(expect_columns({"kernel", "tokens_per_dollar"}));
}

TEST(Latex, EscapesWhatLatexWouldRead) {
  Record record = gpu_record();
  record.point.axes[0].value = std::string(R"(a&b%c$d#e_f{g}h~i^j\k<l>m|n"o)");
  const std::string text = to_latex(table_rows({gpu_result({record})}));
  EXPECT_THAT(text, HasSubstr(R"(a\&b\%c\$d\#e\_f\{g\}h\textasciitilde{}i\textasciicircum{}j\textbackslash{}k)"
                              R"(\textless{}l\textgreater{}m\textbar{}n\textquotedbl{}o)"));
  EXPECT_THAT(text, HasSubstr("\\toprule"));
  EXPECT_THAT(text, HasSubstr("\\bottomrule\n\\end{tabular}"));
}

TEST(Latex, NothingOfACellIsReadAsAnotherCharacterOrAnArgument) {
  Record record = gpu_record();
  record.point.axes[0].value = std::string("a--b,,c''d`e");
  const auto rows = table_rows({gpu_result({record})});
  EXPECT_THAT(to_latex(rows), HasSubstr("a-{}-b,{},c'{}'d\\textasciigrave{}e"));
  for (const char* first : {"[1ex]", "*"}) {
    auto row = rows[0];
    row.workload = first;
    EXPECT_THAT(to_latex({row}, {"workload"}), HasSubstr(std::string("\\midrule\n{}") + first))
        << "behind the end of a row these would be its argument";
  }
}

TEST(Prices, StandWithTheirSourceInEveryFormat) {
  const std::vector<Price> prices = {parse_price("h200=3.6,source=\"A & B\" | <b>*list*</b>,date=2026-11")};
  auto rows = table_rows({gpu_result({gpu_record()})});
  add_prices(prices, rows);
  const auto notes = price_notes(prices, rows);
  EXPECT_THAT(to_latex(rows, {}, notes),
              HasSubstr("\\textquotedbl{}A \\& B\\textquotedbl{} \\textbar{} \\textless{}b\\textgreater{}"));
  EXPECT_THAT(to_markdown(rows, {}, notes), HasSubstr("\"A & B\" \\| \\<b>\\*list\\*\\</b>, 2026-11)"));
  EXPECT_EQ(Json::parse(to_table_json(rows))[0]["price_source"], "\"A & B\" | <b>*list*</b>, 2026-11");
  EXPECT_THAT(to_csv(rows, {"price_source"}), HasSubstr("\"\"\"A & B\"\" | <b>*list*</b>, 2026-11\"\r\n"));
}

TEST(Latex, Compiles) {
  if (std::system("command -v pdflatex > /dev/null 2>&1") != 0) GTEST_SKIP() << "no pdflatex";
  namespace fs = std::filesystem;
  const fs::path folder = fs::path(testing::TempDir()) / "assay_latex";
  fs::create_directories(folder);
  std::ofstream(folder / "t.tex") << "\\documentclass{article}\\usepackage{booktabs}\\usepackage[T1]{fontenc}\n"
                                     "\\begin{document}\n"
                                  << to_latex(table_rows({gpu_result({gpu_record()})})) << "\\end{document}\n";
  EXPECT_EQ(std::system(("cd '" + folder.string() + "' && pdflatex -halt-on-error t.tex > /dev/null").c_str()), 0);
  fs::remove_all(folder);
}

TEST(Bencher, HasWhatIsOkAlone) {
  const auto json = Json::parse(to_bencher(table_rows({sample_result({ok_record(64), wrong_record(65)})})));
  ASSERT_EQ(json.size(), 1u);
  const Json& one = json.front();
  EXPECT_NEAR(one["latency"]["value"].get<double>(), 1e6, 1e-3);
  EXPECT_LE(one["latency"]["lower_value"], one["latency"]["value"]);
  EXPECT_LE(one["flops-per-second"]["lower_value"], one["flops-per-second"]["value"]);
}

}  // namespace
}  // namespace assay
