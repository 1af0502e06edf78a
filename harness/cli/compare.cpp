#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>

#include "harness/cli/alternate.h"
#include "harness/cli/cli.h"
#include "harness/cli/selection.h"
#include "harness/cli/terminal.h"
#include "harness/core/error.h"
#include "harness/core/file.h"
#include "harness/publish/comparison_text.h"
#include "harness/verdict/compare.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::vector<std::string> sides;  // BASE and NEW
  std::vector<std::string> commands;
  std::vector<std::string> history;
  std::string margin = "2%", keep;
  int rounds = 6;
  bool json = false;
};

/// "2%", "2 %" or "0.02".
double parse_margin(const std::string& text) {
  char* end = nullptr;
  double value = std::strtod(text.c_str(), &end);
  while (*end == ' ') ++end;
  if (*end == '%') value /= 100, ++end;
  if (end == text.c_str() || *end || !(value >= 0 && value < 1))
    throw InputError(fmt::format("--margin {}: expected a share below 1, as in 2% or 0.02", text));
  return value;
}

/// One file, or several separated by commas; a file that has a comma in its name is one.
std::vector<NamedResult> load_side(const std::string& text) {
  std::vector<NamedResult> out;
  std::error_code ignored;
  if (fs::exists(text, ignored)) return {{text, load_unchanged_result(text)}};
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t to = std::min(text.find(',', from), text.size());
    const std::string path = text.substr(from, to - from);
    if (path.empty()) throw InputError(fmt::format("'{}': expected a result, or several separated by commas", text));
    out.push_back({path, load_unchanged_result(path)});
    from = to + 1;
  }
  return out;
}

std::vector<NamedResult> load_history(const std::vector<std::string>& texts) {
  std::vector<NamedResult> out;
  for (const auto& text : texts)
    for (auto& one : load_side(text)) out.push_back(std::move(one));
  return out;
}

ComparedRuns runs_of(const Options& options) {
  if (options.commands.empty() == options.sides.empty())
    throw InputError("expected either BASE and NEW, or --ab 'COMMAND A' 'COMMAND B'");
  if (!options.commands.empty()) {
    const fs::path folder = options.keep.empty() ? dated_path("compare") : fs::path(options.keep);
    return run_alternately({options.commands[0], options.commands[1], options.rounds, folder});
  }
  if (options.sides.size() != 2)
    throw InputError(fmt::format("{} result{}, expected BASE and NEW, each one file or several separated by commas",
                                 options.sides.size(), options.sides.size() == 1 ? "" : "s"));
  return {load_side(options.sides[0]), load_side(options.sides[1]), false, load_history(options.history)};
}

int compare_verb(const Options& options) {
  CompareRule rule;
  rule.margin = parse_margin(options.margin);
  const Comparison comparison = compare(runs_of(options), rule);
  if (options.json)
    print(to_comparison_json(comparison));
  else
    print_text(to_console(comparison, terminal_style()));
  return int(exit_code_of(comparison));
}

}  // namespace

void add_compare(CLI::App& app, const Catalog&, int& exit_code) {
  constexpr int kMostRounds = 1000;
  const auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("compare",
                                      "faster, slower, same or inconclusive, case by case; exit code 1 where one is "
                                      "slower, 4 where none can be compared");
  verb->add_option("result", options->sides, "BASE and NEW: each a result, or several runs' separated by commas");
  verb->add_option("--ab", options->commands,
                   "two commands, each with {out} where its result goes: runs them in turns, A B B A, and compares")
      ->type_name("A B")
      ->expected(2)
      ->check(not_empty());
  verb->add_option("--rounds", options->rounds, "pairs of runs of --ab; even")
      ->type_name("N")
      ->check(whole_between(2, kMostRounds))
      ->capture_default_str();
  verb->add_option("--keep", options->keep, "folder for the results of --ab; default: out/compare-DATE-TIME")
      ->type_name("FOLDER")
      ->check(not_empty());
  verb->add_option("--history", options->history,
                   "results of one program on this machine, at least 3: how much its runs differ, instead of a prior; "
                   "for one result a side")
      ->type_name("RESULT...")
      ->excludes("--ab")
      ->check(not_empty());
  verb->add_option("--margin", options->margin, "relative difference that does not matter: 2% or 0.02")
      ->type_name("SHARE")
      ->capture_default_str();
  verb->add_flag("--json", options->json, "for programs");
  verb->footer(
      "Examples:\n  assay compare base.json new.json\n"
      "  assay compare --ab 'old/assay run --out {out}' 'new/assay run --out {out}'");
  verb->callback([options, &exit_code] { exit_code = compare_verb(*options); });
}

}  // namespace assay
