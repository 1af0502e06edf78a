#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>

#include "harness/cli/cli.h"
#include "harness/cli/selection.h"
#include "harness/cli/terminal.h"
#include "harness/core/error.h"
#include "harness/core/file.h"
#include "harness/publish/export/nccl_tests.h"
#include "harness/publish/table/accelerator_rows.h"
#include "harness/publish/table/fields.h"
#include "harness/publish/table/row_extras.h"
#include "harness/publish/table/table.h"

namespace assay {
namespace {

using Notes = std::vector<std::string>;
using Writer = std::string (*)(const std::vector<TableRow>&, const TableColumns&, const Notes&);

const std::map<std::string, Writer>& formats() {
  static const std::map<std::string, Writer> table = {
      {"md", to_markdown},
      {"latex", to_latex},
      // A row of these has its price's source.
      {"csv", [](const std::vector<TableRow>& rows, const TableColumns& columns,
                 const Notes&) { return to_csv(rows, columns); }},
      {"json", [](const std::vector<TableRow>& rows, const TableColumns& columns, const Notes&) {
         return to_table_json(rows, columns);
       }}};
  return table;
}

constexpr const char* kNcclTests = "nccl-tests";

struct Options {
  std::vector<std::string> results;
  std::string format = "md", rows = "kernel";
  std::string out;
  TableColumns columns;
  std::vector<std::string> prices;
  bool published = false, json = false;
};

/// The table must not replace what it was made from.
void expect_other_file(const Options& options) {
  std::error_code ignored;  // a file that is not there is no result
  for (const auto& path : options.results)
    if (!options.out.empty() && std::filesystem::equivalent(path, options.out, ignored))
      throw InputError(options.out + ": is one of the results, expected another file for --out");
}

std::vector<TableRow> rows_of(const Options& options, const std::vector<Result>& results,
                              const std::vector<Price>& prices) {
  auto rows = table_rows(results);
  if (options.rows == "accelerator") rows = accelerator_rows(rows);
  if (options.published)
    for (auto& row : published_rows(rows)) rows.push_back(std::move(row));
  add_prices(prices, rows);
  return rows;
}

bool is_text(const std::string& format) { return format == "md" || format == "latex"; }

/// What compares accelerators, as far as any row has it.
TableColumns accelerator_columns(const std::vector<TableRow>& rows) {
  TableColumns columns = {"accelerator",
                          "workload",
                          "dtype",
                          "kernel",
                          "shape",
                          "cache",
                          "mode",
                          "flops_per_second",
                          "bytes_per_second",
                          "seconds_low",
                          "peak_flops_per_second",
                          "percent_of_peak",
                          "percent_at_clock",
                          "percent_of_vendor",
                          "power_watts",
                          "flops_per_joule",
                          "joules_per_pflop",
                          "pflop_per_dollar",
                          "tokens_per_dollar",
                          "outcome"};
  std::erase_if(columns, [&](const std::string& key) {
    return std::all_of(rows.begin(), rows.end(),
                       [&](const TableRow& row) { return table_fields(row).at(key).is_null(); });
  });
  return columns;
}

std::string text_of(const Options& options, const std::vector<Result>& results) {
  if (options.format == kNcclTests) {
    if (options.rows != "kernel" || !options.columns.empty() || !options.prices.empty() || options.published)
      throw InputError("--format nccl-tests has that program's rows and columns: it goes with no option of a table");
    return to_nccl_tests(results);
  }
  expect_columns(options.columns);
  std::vector<Price> prices;
  for (const auto& text : options.prices) prices.push_back(parse_price(text));
  const auto rows = rows_of(options, results, prices);
  TableColumns columns = options.columns;
  if (columns.empty() && options.rows == "accelerator" && is_text(options.format)) columns = accelerator_columns(rows);
  return formats().at(options.format)(rows, columns, price_notes(prices, rows));
}

void table(const Options& options) {
  expect_other_file(options);
  std::vector<Result> results;
  for (const auto& path : options.results) results.push_back(load_result(path));
  const std::string text = text_of(options, results);
  if (options.out.empty()) return print(text);
  if (is_printing_process()) write_file_atomically(options.out, text);
}

}  // namespace

void add_table(CLI::App& app, const Catalog&, int&) {
  const auto options = std::make_shared<Options>();
  std::vector<std::string> names = {kNcclTests};
  for (const auto& [name, writer] : formats()) names.push_back(name);
  std::sort(names.begin(), names.end());
  CLI::App* verb = app.add_subcommand("table", "the comparison table of results");
  verb->add_option("result", options->results, "result files, folders of them, or patterns")
      ->required()
      ->check(not_empty());
  auto* format =
      verb->add_option("--format", options->format,
                       "md, csv, latex (booktabs), json, or nccl-tests: collectives as that program prints them")
          ->type_name("FORMAT")
          ->check(CLI::IsMember(names))
          ->capture_default_str();
  verb->add_flag("--json", options->json, "--format json")->excludes(format);
  verb->add_option("--rows", options->rows,
                   "kernel: every case; accelerator: the fastest of each accelerator and dtype")
      ->type_name("WHAT")
      ->check(CLI::IsMember({"accelerator", "kernel"}))
      ->capture_default_str();
  verb->add_option("--columns", options->columns,
                   "names of the JSON's keys, separated by commas; default: what there is")
      ->type_name("KEY,KEY")
      ->delimiter(',')
      ->allow_extra_args(false);
  verb->add_option("--price", options->prices,
                   "of one device for an hour, as in 'h200=3.50,source=a list,date=2026-11'; cpu=...: of the machine")
      ->type_name("NAME=DOLLARS,...")
      ->allow_extra_args(false);
  verb->add_flag("--published", options->published,
                 "rows of what others published, and of datasheets of what nothing here runs on");
  verb->add_option("--out", options->out, "file; default: stdout")->type_name("FILE")->check(not_empty());
  verb->footer("Example:\n  assay table ours.json theirs.json --rows accelerator --published --out table.md");
  verb->callback([options] {
    options->results = result_files(options->results);
    if (options->json) options->format = "json";
    table(*options);
  });
}

}  // namespace assay
