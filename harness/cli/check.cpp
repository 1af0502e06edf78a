#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <memory>

#include "harness/cli/cli.h"
#include "harness/cli/help.h"
#include "harness/cli/selection.h"
#include "harness/cli/terminal.h"
#include "harness/core/error.h"
#include "harness/core/file.h"
#include "harness/publish/verdict_texts.h"
#include "harness/verdict/digests.h"
#include "harness/verdict/learn.h"
#include "harness/verdict/verdict.h"

namespace assay {
namespace {

struct Options {
  std::vector<std::string> results;
  std::string expect, junit, prometheus, out, suite;
  std::string max_age = "7d";
  bool json = false, unsealed = false, learn = false;
  int gpus = 0;
  std::vector<std::string> filters;
  double least_tolerance = 0;
};

/// "7d", "12h", "30m"; null for "off".
std::optional<std::chrono::seconds> parse_age(const std::string& text) {
  if (text == "off") return std::nullopt;
  long count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string unit(end, text.data() + text.size());
  const long seconds = unit == "d" ? 86400 : unit == "h" ? 3600 : unit == "m" ? 60 : 0;
  constexpr long kLongest = 1'000'000;  // of any unit: no overflow, and more than anybody means
  if (error != std::errc() || count < 0 || count > kLongest || seconds == 0)
    throw InputError(fmt::format("--max-age: \"{}\", expected a number with d, h or m (\"7d\"), or off", text));
  return std::chrono::seconds(count * seconds);
}

/// What is written must not replace what was read.
void expect_other_file(const Options& options, const std::string& path) {
  std::vector<std::string> inputs = options.results;
  if (!options.expect.empty()) inputs.push_back(options.expect);
  std::error_code ignored;
  for (const auto& input : inputs)
    if (!path.empty() && std::filesystem::equivalent(input, path, ignored))
      throw InputError(path + ": was given to be read, expected another file to write");
}

void write(const std::string& path, const std::string& text) {
  if (!path.empty() && is_printing_process()) write_file_atomically(path, text);
}

int check(const Options& options) {
  for (const auto& path : {options.junit, options.prometheus}) expect_other_file(options, path);
  CheckOptions how;
  how.now = std::chrono::system_clock::now();
  how.max_age = parse_age(options.max_age);
  how.unsealed = options.unsealed;
  if (options.gpus > 0) how.gpus = options.gpus;
  const auto expected = options.expect.empty() ? std::nullopt : std::optional(load_expectations(options.expect));
  Verdict verdict;
  DigestComparison digests;
  for (const auto& path : options.results) {
    const NamedResult in{path, load_unchanged_result(path)};
    const Expectations* of_it = expected ? &*expected : expectations_for(in.result.provenance);
    const auto judgements = judge(in.result, path, of_it, how);
    verdict.judgements.insert(verdict.judgements.end(), judgements.begin(), judgements.end());
    digests.add(path, in.result);
  }
  digests.judge(verdict.judgements);
  verdict.sort_worst_first();
  write(options.junit, to_junit(verdict));
  write(options.prometheus, to_prometheus(verdict));
  if (options.json)
    print(to_json(verdict));
  else
    print_text(to_console(verdict, terminal_style()));
  return int(verdict.code());
}

void learn_from(const Options& options) {
  expect_other_file(options, options.out);
  LearnOptions how;
  how.suite = options.suite;
  how.filters = options.filters;
  how.unsealed = options.unsealed;
  if (options.least_tolerance > 0) how.least_tolerance = options.least_tolerance;
  if (!options.out.empty()) how.name = std::filesystem::path(options.out).stem().string();
  std::vector<NamedResult> results;
  for (const auto& path : options.results) results.push_back({path, load_unchanged_result(path)});
  const Expectations learned = learn(results, how);
  const std::string text = to_text(learned);
  parse_expectations(text, options.out.empty() ? "what was learned" : options.out);
  if (options.out.empty()) return print(text);
  write(options.out, text);
  print(fmt::format("{}: {} expectations from {} result{}\n", options.out, learned.entries.size(), results.size(),
                    results.size() == 1 ? "" : "s"));
}

}  // namespace

void add_check(CLI::App& app, const Catalog&, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("check", "the verdict: pass, fail or could not measure, case by case");
  verb->add_option("result", options->results, "result files, folders of them, or patterns")
      ->required()
      ->check(not_empty());
  verb->add_option("--expect", options->expect, "expectations: a file, or a shipped name; default: by the machine")
      ->type_name("FILE|NAME")
      ->check(not_empty());
  verb->add_option("--junit", options->junit, "also write JUnit XML there")->type_name("FILE")->check(not_empty());
  verb->add_option("--prometheus", options->prometheus, "also write Prometheus text there")
      ->type_name("FILE")
      ->check(not_empty());
  verb->add_flag("--json", options->json, "the verdict as JSON");
  verb->add_option("--max-age", options->max_age, "older measurements do not count: 7d, 12h, off")
      ->type_name("AGE")
      ->capture_default_str();
  verb->add_option("--gpus", options->gpus, "GPUs the node should have; default: those on its bus")
      ->type_name("N")
      ->check(whole_between(1, 1024));
  verb->add_flag("--unsealed", options->unsealed, "take results of an older assay, which have no seal");
  auto* learn = verb->add_flag("--learn", options->learn, "derive expectations from these results instead")
                    ->excludes("--expect")
                    ->excludes("--junit")
                    ->excludes("--prometheus")
                    ->excludes("--json");
  verb->add_option("--out", options->out, "with --learn: file; default: stdout")
      ->type_name("FILE")
      ->check(not_empty())
      ->needs(learn);
  verb->add_option("--suite", options->suite,
                   "with --learn: which suite measures them; default: that of the first result")
      ->type_name("NAME")
      ->check(not_empty("a suite's name"))
      ->needs(learn);
  verb->add_option("--filter", options->filters, "with --learn: only cases whose id matches")
      ->type_name("GLOB")
      ->needs(learn);
  verb->add_option("--least-tolerance", options->least_tolerance, "with --learn: no tolerance below this share")
      ->type_name("SHARE")
      ->check(between(0.001, 0.6))
      ->needs(learn);
  verb->footer(
      "Examples:\n  assay check node.json --junit node.xml\n  assay check --learn good-*.json --out ours.json\n" +
      shipped_names("Shipped expectations", "expectations"));
  verb->callback([options, &exit_code] {
    options->results = result_files(options->results);
    if (options->learn)
      learn_from(*options);
    else
      exit_code = check(*options);
  });
}

}  // namespace assay
