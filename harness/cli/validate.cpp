#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <map>
#include <memory>

#include "harness/cli/cli.h"
#include "harness/cli/terminal.h"
#include "harness/core/error.h"
#include "harness/core/file.h"
#include "harness/publish/plausibility.h"
#include "harness/record/provenance.h"

namespace assay {
namespace {

/// 2 where a file is no result, 1 where one is implausible.
ExitCode validate(const std::vector<std::string>& paths) {
  const std::string now = utc_now();
  std::map<std::string, std::string> seen;  // digest -> path
  bool broken = false, implausible = false;
  std::string out;
  for (const auto& path : paths) {
    Plausibility found = examine(read_file(path), path, now);
    const auto [first, fresh] = seen.try_emplace(found.digest, path);
    if (!fresh) found.problems.push_back("is the same file as " + first->second);
    broken = broken || !found.broken.empty();
    implausible = implausible || !found.problems.empty();
    const char* verdict = !found.broken.empty() ? "broken" : found.problems.empty() ? "plausible" : "implausible";
    out += fmt::format("{}: {}, {} cases, sha256 {}\n", path, verdict, found.cases, found.digest);
    if (!found.broken.empty()) out += "  " + found.broken + "\n";
    for (const auto& problem : found.problems) out += "  " + problem + "\n";
  }
  print(out);
  if (broken) return ExitCode::bad_input;
  return implausible ? ExitCode::verdict_failed : ExitCode::ok;
}

}  // namespace

void add_validate(CLI::App& app, const Catalog&, int& exit_code) {
  const auto paths = std::make_shared<std::vector<std::string>>();
  CLI::App* verb = app.add_subcommand(
      "validate", "whether results are whole and can be true, with each file's digest; exit code 1 where one cannot");
  verb->add_option("result", *paths, "result files")->required();
  verb->callback([paths, &exit_code] { exit_code = int(validate(*paths)); });
}

}  // namespace assay
