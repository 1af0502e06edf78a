#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>

#include "harness/cli/cli.h"
#include "harness/cli/selection.h"
#include "harness/cli/terminal.h"
#include "harness/core/error.h"
#include "harness/core/file.h"
#include "harness/publish/export/bencher.h"
#include "harness/publish/export/nccl_tests.h"
#include "harness/publish/verdict_texts.h"
#include "harness/record/result.h"
#include "harness/verdict/verdict.h"

namespace assay {
namespace {

struct Options {
  std::string result, format, out;
};

/// As `assay check` judges it by what is expected of its machine, however old it is.
Verdict verdict_of(const Result& result, const std::string& file) {
  CheckOptions how;
  how.now = std::chrono::system_clock::now();
  how.unsealed = true;
  Verdict verdict;
  verdict.judgements = judge(result, file, expectations_for(result.provenance), how);
  verdict.sort_worst_first();
  return verdict;
}

using Writer = std::string (*)(const Result&, const std::string& file);

const std::map<std::string, Writer>& formats() {
  static const std::map<std::string, Writer> table = {
      {"bencher", [](const Result& result, const std::string&) { return to_bencher(table_rows({result})); }},
      {"google-benchmark", [](const Result& result, const std::string&) { return to_google_benchmark(result); }},
      {"junit", [](const Result& result, const std::string& file) { return to_junit(verdict_of(result, file)); }},
      {"nccl-tests", [](const Result& result, const std::string&) { return to_nccl_tests({result}); }},
      {"prometheus",
       [](const Result& result, const std::string& file) { return to_prometheus(verdict_of(result, file)); }}};
  return table;
}

void export_result(const Options& options) {
  std::error_code ignored;  // a file that is not there is no result
  if (!options.out.empty() && std::filesystem::equivalent(options.result, options.out, ignored))
    throw InputError(options.out + ": is the result, expected another file for --out");
  const std::string text = formats().at(options.format)(load_unchanged_result(options.result), options.result);
  if (options.out.empty()) return print(text);
  if (is_printing_process()) write_file_atomically(options.out, text);
}

}  // namespace

void add_export(CLI::App& app, const Catalog&, int&) {
  const auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("export", "a result in the form of other tools");
  verb->add_option("result", options->result, "result file")->required()->check(not_empty());
  std::vector<std::string> names;
  for (const auto& [name, writer] : formats()) names.push_back(name);
  verb->add_option(
          "--format", options->format,
          "bencher (Bencher Metric Format), google-benchmark (for its compare.py), nccl-tests (its text), junit "
          "and prometheus (the verdict of `assay check`, however old the result is)")
      ->type_name("FORMAT")
      ->check(CLI::IsMember(names))
      ->required();
  verb->add_option("--out", options->out, "file; default: stdout")->type_name("FILE")->check(not_empty());
  verb->footer("Example:\n  assay export node.json --format junit --out node.xml");
  verb->callback([options] { export_result(*options); });
}

}  // namespace assay
