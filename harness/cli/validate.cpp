#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "harness/cli/cli.h"
#include "harness/cli/selection.h"
#include "harness/cli/terminal.h"
#include "harness/core/error.h"
#include "harness/core/file.h"
#include "harness/publish/plausibility.h"
#include "harness/record/provenance.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::vector<std::string> results;
  bool json = false, unsealed = false;
};

std::string as_text(const std::string& path, const char* verdict, const Plausibility& found) {
  const Tone tone = std::string_view(verdict) == "plausible" ? Tone::good : Tone::bad;
  std::string out = fmt::format("{}: {}, {} cases, sha256 {}\n", path, painted(verdict, tone, terminal_style()),
                                found.cases, found.digest);
  if (!found.broken.empty()) out += "  " + found.broken + "\n";
  for (const auto& problem : found.problems) out += "  " + problem + "\n";
  return out;
}

Json as_json(const std::string& path, const char* verdict, const Plausibility& found) {
  return {{"file", path},           {"verdict", verdict},     {"cases", found.cases},
          {"sha256", found.digest}, {"broken", found.broken}, {"problems", found.problems}};
}

/// 2 where a file is no result, 1 where one is implausible.
ExitCode validate(const Options& options) {
  const std::string now = utc_now();
  std::map<std::string, std::string> seen;  // digest -> path
  bool broken = false, implausible = false;
  std::string text;
  Json json = Json::array();
  for (const auto& path : options.results) {
    Plausibility found = examine(read_file(path), path, now, options.unsealed);
    const auto [first, fresh] = seen.try_emplace(found.digest, path);
    if (!fresh) found.problems.push_back("is the same file as " + first->second);
    broken = broken || !found.broken.empty();
    implausible = implausible || !found.problems.empty();
    const char* verdict = !found.broken.empty() ? "broken" : found.problems.empty() ? "plausible" : "implausible";
    text += as_text(path, verdict, found);
    json.push_back(as_json(path, verdict, found));
  }
  if (options.json)
    print(json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
  else
    print_text(text);
  if (broken) return ExitCode::bad_input;
  return implausible ? ExitCode::verdict_failed : ExitCode::ok;
}

}  // namespace

void add_validate(CLI::App& app, const Catalog&, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand(
      "validate", "whether results are whole and can be true, with each file's digest; exit code 1 where one cannot");
  verb->add_option("result", options->results, "result files, folders of them, or patterns")
      ->required()
      ->check(not_empty());
  verb->add_flag("--unsealed", options->unsealed, "results of an older assay, which had no seal");
  verb->add_flag("--json", options->json, "for programs");
  verb->callback([options, &exit_code] {
    options->results = result_files(options->results);
    exit_code = int(validate(*options));
  });
}

}  // namespace assay
