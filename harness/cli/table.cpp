#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "harness/cli/cli.h"
#include "harness/cli/selection.h"
#include "harness/cli/terminal.h"
#include "harness/core/error.h"
#include "harness/core/file.h"
#include "harness/publish/nccl_tests.h"
#include "harness/publish/table.h"

namespace assay {
namespace {

using Writer = std::string (*)(const std::vector<Result>&);

template <std::string (*write)(const std::vector<TableRow>&)>
std::string of_rows(const std::vector<Result>& results) {
  return write(table_rows(results));
}

const std::map<std::string, Writer>& formats() {
  static const std::map<std::string, Writer> table = {{"md", of_rows<to_markdown>},
                                                      {"csv", of_rows<to_csv>},
                                                      {"json", of_rows<to_table_json>},
                                                      {"nccl-tests", to_nccl_tests}};
  return table;
}

struct Options {
  std::vector<std::string> results;
  std::string format = "md";
  std::string out;
};

/// The table must not replace what it was made from.
void expect_other_file(const Options& options) {
  std::error_code ignored;  // a file that is not there is no result
  for (const auto& path : options.results)
    if (!options.out.empty() && std::filesystem::equivalent(path, options.out, ignored))
      throw InputError(options.out + ": is one of the results, expected another file for --out");
}

void table(const Options& options) {
  expect_other_file(options);
  std::vector<Result> results;
  for (const auto& path : options.results) results.push_back(load_result(path));
  const std::string text = formats().at(options.format)(results);
  if (options.out.empty()) return print(text);
  if (is_printing_process()) write_file_atomically(options.out, text);
}

}  // namespace

void add_table(CLI::App& app, const Catalog&, int&) {
  const auto options = std::make_shared<Options>();
  std::vector<std::string> names;
  for (const auto& [name, writer] : formats()) names.push_back(name);
  CLI::App* verb = app.add_subcommand("table", "the comparison table of results");
  verb->add_option("result", options->results, "result files")->required();
  verb->add_option("--format", options->format, "md, csv, json, or nccl-tests: collectives as nccl-tests prints them")
      ->check(CLI::IsMember(names))
      ->capture_default_str();
  verb->add_option("--out", options->out, "file; default: stdout")->check(not_empty());
  verb->callback([options] { table(*options); });
}

}  // namespace assay
