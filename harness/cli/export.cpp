#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "harness/cli/cli.h"
#include "harness/cli/selection.h"
#include "harness/cli/terminal.h"
#include "harness/core/error.h"
#include "harness/core/file.h"
#include "harness/publish/bencher.h"
#include "harness/record/result.h"

namespace assay {
namespace {

struct Options {
  std::string result, format, out;
};

void export_result(const Options& options) {
  std::error_code ignored;  // a file that is not there is no result
  if (!options.out.empty() && std::filesystem::equivalent(options.result, options.out, ignored))
    throw InputError(options.out + ": is the result, expected another file for --out");
  const Result result = load_unchanged_result(options.result);
  const std::string text = options.format == "bencher" ? to_bencher(table_rows({result})) : to_google_benchmark(result);
  if (options.out.empty()) return print(text);
  if (is_printing_process()) write_file_atomically(options.out, text);
}

}  // namespace

void add_export(CLI::App& app, const Catalog&, int&) {
  const auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("export", "a result in the form of other tools");
  verb->add_option("result", options->result, "result file")->required();
  verb->add_option("--format", options->format, "bencher (Bencher Metric Format) or google-benchmark (its compare.py)")
      ->check(CLI::IsMember({"bencher", "google-benchmark"}))
      ->required();
  verb->add_option("--out", options->out, "file; default: stdout")->check(not_empty());
  verb->callback([options] { export_result(*options); });
}

}  // namespace assay
