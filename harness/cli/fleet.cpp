#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <memory>
#include <optional>
#include <sstream>

#include "harness/cli/cli.h"
#include "harness/cli/selection.h"
#include "harness/cli/terminal.h"
#include "harness/core/error.h"
#include "harness/core/file.h"
#include "harness/publish/fleet_text.h"

namespace assay {
namespace {

struct Options {
  std::vector<std::string> results, baseline;
  std::string nodes;
  double price = 0;
  std::size_t job_gpus = 0;
  bool json = false, unsealed = false;
};

bool is_host_name(const std::string& word) {
  return std::all_of(word.begin(), word.end(),
                     [](unsigned char c) { return std::isalnum(c) || c == '.' || c == '-' || c == '_' || c == ':'; });
}

/// One host name a line; what follows a # is a remark.
std::vector<std::string> read_names(const std::string& path) {
  std::istringstream lines(read_file(path));
  std::vector<std::string> out;
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    std::istringstream words(line.substr(0, line.find('#')));
    for (std::string word; words >> word;) {
      constexpr std::size_t kShown = 40;
      if (!is_host_name(word))
        throw InputError(
            fmt::format("{}:{}: '{}' is no host name, expected one a line", path, number, word.substr(0, kShown)));
      out.push_back(word);
    }
  }
  if (out.empty()) throw InputError(path + ": names no host, expected one a line");
  return out;
}

/// Of files that are no results, and so nobody's: the first with its reason, and how many there are.
std::string unreadable_text(const FleetFiles& files) {
  std::vector<const Unreadable*> broken;
  for (const auto& one : files.unreadable)
    if (one.node.empty()) broken.push_back(&one);
  if (broken.empty()) return {};
  const std::string& why = broken.front()->why;
  const bool has_place = !why.empty() && std::isdigit(static_cast<unsigned char>(why[0]));  // "45:2: syntax error"
  const std::string first = fmt::format("{}:{}{}", broken.front()->file, has_place ? "" : " ", why);
  return broken.size() == 1 ? first
                            : fmt::format("{}; and {} more file{} could not be read", first, broken.size() - 1,
                                          broken.size() == 2 ? "" : "s");
}

/// With nothing to judge the files are wrong; else the verdict stands, without those nodes.
void complain_of_unreadable(const FleetFiles& files) {
  const std::string text = unreadable_text(files);
  if (text.empty()) return;
  const bool all = files.nodes.empty() && std::all_of(files.unreadable.begin(), files.unreadable.end(),
                                                      [](const Unreadable& one) { return one.node.empty(); });
  if (all) throw InputError(text);
  if (is_printing_process()) std::fputs(fmt::format("assay: not judged: {}\n", text).c_str(), stderr);
}

int fleet(const Options& options) {
  FleetCases cases;
  const auto expected = options.nodes.empty() ? std::vector<std::string>() : read_names(options.nodes);
  const FleetFiles files = read_fleet(expand_results(options.results), cases, options.unsealed);
  complain_of_unreadable(files);
  FleetVerdict verdict = judge_fleet(files, cases);
  add_missing(verdict, files, expected);
  if (!options.baseline.empty()) {
    const FleetFiles before = read_fleet(expand_results(options.baseline), cases, options.unsealed);
    complain_of_unreadable(before);
    for (const auto& file : before.unreadable) verdict.gaps.push_back(gap_of(file));
    add_drift(verdict, files, before, cases);
  }
  add_causes(verdict, files, cases);
  const FleetPage page{files, cases, verdict, options.job_gpus,
                       options.price > 0 ? std::optional(options.price) : std::nullopt};
  if (options.json)
    print(fleet_json(page));
  else
    print_text(fleet_text(page, terminal_style()));
  return exit_code_of(verdict);
}

}  // namespace

void add_fleet(CLI::App& app, const Catalog&, int& exit_code) {
  constexpr double kLeastPrice = 1e-4, kMostPrice = 1e6;
  constexpr std::int64_t kMostJobGpus = 10'000'000;
  const auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("fleet", "outliers and stragglers over the results of many nodes");
  verb->add_option("result", options->results, "result files, folders of them, or patterns")
      ->required()
      ->check(not_empty());
  verb->add_option("--baseline", options->baseline, "earlier results of the same nodes, for drift; may be repeated")
      ->type_name("RESULT|FOLDER")
      ->check(not_empty())
      ->allow_extra_args(false);
  verb->add_option("--nodes", options->nodes, "file of the host names that should have reported, one a line")
      ->type_name("FILE")
      ->check(not_empty());
  verb->add_option("--price", options->price, "price of a GPU-hour, in any currency")
      ->type_name("PRICE")
      ->check(between(kLeastPrice, kMostPrice));
  verb->add_option("--job-gpus", options->job_gpus, "GPUs of the job; default: all that were judged")
      ->type_name("N")
      ->check(whole_between(1, kMostJobGpus));
  verb->add_flag("--unsealed", options->unsealed, "take results of an older assay, which have no seal");
  verb->add_flag("--json", options->json, "for programs: every node and case");
  verb->footer("Example:\n  assay fleet out/ --nodes hosts.txt --price 2.5 --job-gpus 1024");
  verb->callback([options, &exit_code] { exit_code = fleet(*options); });
}

}  // namespace assay
