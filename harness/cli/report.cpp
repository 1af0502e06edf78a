#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>

#include "harness/cli/cli.h"
#include "harness/cli/selection.h"
#include "harness/cli/terminal.h"
#include "harness/core/error.h"
#include "harness/core/file.h"
#include "harness/core/sha256.h"
#include "harness/publish/fleet_text.h"
#include "harness/publish/report/report.h"
#include "harness/verdict/digests.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

/// Results whose cases the page shows.  Of more nodes it shows the heat map and those that are accused, the first
/// others beside them.
constexpr std::size_t kMostDetailed = 12;

struct Options {
  std::vector<std::string> results;
  std::string out, expect;
  bool unsealed = false, json = false;
  std::size_t kilobytes = 1000;
};

struct Fleet {
  std::optional<nlohmann::ordered_json> json;  // of three nodes or more
  std::vector<std::string> accused;            // files
};

Fleet fleet_of(const std::vector<fs::path>& paths, bool unsealed) {
  FleetCases cases;
  const FleetFiles files = read_fleet(paths, cases, unsealed);
  if (files.nodes.size() < kLeastNodes) return {};
  FleetVerdict verdict = judge_fleet(files, cases);
  add_causes(verdict, files, cases);
  Fleet out{nlohmann::ordered_json::parse(fleet_json({files, cases, verdict, 0, std::nullopt})), {}};
  for (const auto& accusation : verdict.accused)
    out.accused.push_back(files.nodes[accusation.node].files[accusation.file]);
  return out;
}

std::vector<fs::path> detailed(const std::vector<fs::path>& paths, const Fleet& fleet) {
  if (paths.size() <= kMostDetailed) return paths;
  std::vector<fs::path> out;
  const auto take = [&](const fs::path& path) {
    if (out.size() < kMostDetailed && std::find(out.begin(), out.end(), path) == out.end()) out.push_back(path);
  };
  for (const auto& file : fleet.accused) take(file);
  for (const auto& path : paths) take(path);
  return out;
}

void judge_into(Report& report, DigestComparison& digests, const Result& result, const std::string& file,
                const Options& options, const std::optional<Expectations>& given) {
  CheckOptions how;
  how.now = std::chrono::system_clock::now();
  how.unsealed = options.unsealed;
  const Expectations* expected = given ? &*given : expectations_for(result.provenance);
  report.judged = report.judged || expected;
  for (auto& judgement : judge(result, file, expected, how)) report.verdict.judgements.push_back(std::move(judgement));
  digests.add(file, result);
}

/// What one run of a node left out, another may have measured: an expectation that was met or missed somewhere is not
/// missing.
void drop_measured_elsewhere(std::vector<Judgement>& judgements) {
  const auto was_not_measured = [](const Judgement& j) {
    return j.standing == Standing::could_not_measure && j.text.starts_with("was not measured");
  };
  std::set<std::pair<std::string, std::string>> judged;
  for (const auto& j : judgements)
    if (!j.expectation.empty() && !was_not_measured(j)) judged.insert({j.host, j.expectation});
  std::erase_if(judgements, [&](const Judgement& j) {
    return was_not_measured(j) && judged.count({j.host, j.expectation});
  });
}

Report report_of(const std::vector<fs::path>& paths, const Options& options) {
  const auto given = options.expect.empty() ? std::nullopt : std::optional(load_expectations(options.expect));
  Report report;
  report.results_given = paths.size();
  Fleet fleet;
  if (paths.size() >= kLeastNodes) fleet = fleet_of(paths, options.unsealed);
  const auto shown = detailed(paths, fleet);
  DigestComparison digests;
  for (const auto& path : paths) {
    ReportedResult one{path.string(), read_file(path), {}, {}};
    one.result = parse_result(one.text, one.file);
    if (one.result.seal == Seal::broken)
      throw InputError(one.file + ": was changed after it was written (its seal does not match): measure again");
    judge_into(report, digests, one.result, one.file, options, given);
    if (std::find(shown.begin(), shown.end(), path) == shown.end()) continue;
    one.sha256 = sha256_hex(one.text);
    report.results.push_back(std::move(one));
  }
  report.fleet = std::move(fleet.json);
  digests.judge(report.verdict.judgements);
  drop_measured_elsewhere(report.verdict.judgements);
  report.verdict.sort_worst_first();
  return report;
}

void expect_other_file(const std::vector<fs::path>& results, const Options& options) {
  std::error_code ignored;  // a file that is not there is no result
  for (const auto& path : results)
    if (fs::equivalent(path, options.out, ignored))
      throw InputError(options.out + ": is one of the results, expected another file for --out");
}

/// Of the strides there are: no 21 or 1 among them.
const char* ordinal_ending(int n) { return n == 2 ? "nd" : n == 3 ? "rd" : "th"; }

std::string said_of(const Report& report, const ReportPage& page, const Options& options) {
  std::size_t cases = 0;
  for (const auto& one : report.results) cases += one.result.records.size();
  if (options.json) {
    const nlohmann::ordered_json out = {{"file", options.out},
                                        {"bytes", page.html.size()},
                                        {"results", report.results_given},
                                        {"results_shown", report.results.size()},
                                        {"cases", cases},
                                        {"every", page.thinning.every},
                                        {"without_ranks", page.thinning.without_ranks},
                                        {"rounded", page.thinning.rounded}};
    return out.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  }
  std::string kept = "the results whole";
  if (page.thinning.every > 1)
    kept = fmt::format("every {}{} sample", page.thinning.every, ordinal_ending(page.thinning.every));
  else if (page.thinning.without_ranks)
    kept = "the results without each rank's own times";
  else if (page.thinning.rounded)
    kept = fmt::format("every sample, to {} digits,", kDigitsKept);
  return fmt::format("{}: {} result{}, {} cases, {} kB, with {} in it\n", options.out, report.results.size(),
                     report.results.size() == 1 ? "" : "s", cases, (page.html.size() + 999) / 1000, kept);
}

void report_verb(const Options& options) {
  const auto paths = expand_results(options.results);
  expect_other_file(paths, options);
  const Report report = report_of(paths, options);
  constexpr std::size_t kBytesPerKilobyte = 1000;
  const ReportPage page = to_report(report, options.kilobytes * kBytesPerKilobyte);
  if (is_printing_process()) write_file_atomically(options.out, page.html);
  if (options.json)
    print(said_of(report, page, options));
  else
    print_text(said_of(report, page, options));
}

}  // namespace

void add_report(CLI::App& app, const Catalog&, int&) {
  constexpr std::int64_t kLeastKilobytes = 100, kMostKilobytes = 1'000'000;
  const auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand(
      "report", "one HTML page that needs no network: verdict, cases, charts, and the results themselves in it");
  verb->add_option("result", options->results, "result files, folders of them, or patterns")
      ->required()
      ->check(not_empty());
  verb->add_option("--out", options->out, "the page's file")->type_name("FILE")->check(not_empty())->required();
  verb->add_option("--expect", options->expect, "expectations: a file, or a shipped name; default: by the machine")
      ->type_name("FILE|NAME")
      ->check(not_empty());
  verb->add_flag("--unsealed", options->unsealed, "judge results of an older assay, which have no seal");
  verb->add_option("--kilobytes", options->kilobytes,
                   "the page's size at most, where rounding and leaving out samples reaches it: the page says what was")
      ->type_name("N")
      ->check(whole_between(kLeastKilobytes, kMostKilobytes))
      ->capture_default_str();
  verb->add_flag("--json", options->json, "what was written, for programs");
  verb->footer("Example:\n  assay report ours.json theirs.json --out page.html");
  verb->callback([options] { report_verb(*options); });
}

}  // namespace assay
