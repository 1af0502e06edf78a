#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <sstream>

#include "harness/cli/cli.h"
#include "harness/cli/terminal.h"
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

/// One host name a line; what follows a # is a remark.
std::vector<std::string> read_names(const std::string& path) {
  std::istringstream lines(read_file(path));
  std::vector<std::string> out;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    for (std::string word; words >> word;) out.push_back(word);
  }
  return out;
}

int fleet(const Options& options) {
  FleetCases cases;
  const auto expected = options.nodes.empty() ? std::vector<std::string>() : read_names(options.nodes);
  const FleetFiles files = read_fleet(expand_results(options.results), cases, options.unsealed);
  FleetVerdict verdict = judge_fleet(files, cases);
  add_missing(verdict, files, expected);
  if (!options.baseline.empty()) {
    const FleetFiles before = read_fleet(expand_results(options.baseline), cases, options.unsealed);
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
  const auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("fleet", "outliers and stragglers over the results of many nodes");
  verb->add_option("result", options->results, "result files, folders of them, or patterns")->required();
  verb->add_option("--baseline", options->baseline, "earlier results of the same nodes, for drift; may be repeated")
      ->allow_extra_args(false);
  verb->add_option("--nodes", options->nodes, "file of the host names that should have reported, one a line");
  verb->add_option("--price", options->price, "price of a GPU-hour, in any currency")->check(CLI::PositiveNumber);
  verb->add_option("--job-gpus", options->job_gpus, "GPUs of the job; default: all that were judged")
      ->check(CLI::PositiveNumber);
  verb->add_flag("--unsealed", options->unsealed, "take results of an older assay, which have no seal");
  verb->add_flag("--json", options->json, "for machines: every node and case");
  verb->callback([options, &exit_code] { exit_code = fleet(*options); });
}

}  // namespace assay
