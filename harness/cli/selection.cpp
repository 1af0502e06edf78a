#include "harness/cli/selection.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "harness/core/error.h"
#include "harness/core/glob.h"

namespace assay {

void add_selection(CLI::App& verb, Selection& selection) {
  constexpr int kMostThreads = 4096;
  verb.add_option("suite", selection.suite, "a suite built into assay, or a file")->capture_default_str();
  // One value each: `--set m=1 quick` must not swallow the suite.
  verb.add_option("--set", selection.set, "AXIS=VALUE[,VALUE]: replaces that axis in every entry that has it")
      ->allow_extra_args(false);
  verb.add_option("--filter", selection.filter, "GLOB over case ids: only these; may be given several times")
      ->allow_extra_args(false);
  verb.add_option("--threads", selection.threads, "CPU threads; default: all this process may use")
      ->check(CLI::Range(1, kMostThreads));
}

CLI::Validator not_empty() {
  return CLI::Validator([](std::string& text) { return std::string(text.empty() ? "is empty, expected a path" : ""); },
                        "");
}

Suite select_cases(const Selection& selection, const Catalog& workloads, const DevicesPresent& devices) {
  std::vector<AxisOverride> overrides;
  for (const auto& text : selection.set) overrides.push_back(parse_override(text));
  Suite suite = load_suite(selection.suite, workloads, devices, overrides);
  if (selection.filter.empty()) return suite;
  const std::size_t all = suite.cases.size();
  const auto unwanted = [&](const Case& point) {
    const std::string id = point.id();
    return std::none_of(selection.filter.begin(), selection.filter.end(),
                        [&](const std::string& pattern) { return glob_match(pattern, id); });
  };
  std::erase_if(suite.cases, unwanted);
  if (suite.cases.empty()) {
    std::string patterns;
    for (const auto& pattern : selection.filter) patterns += (patterns.empty() ? "" : ", ") + pattern;
    throw InputError("--filter " + patterns + ": matches none of the " + std::to_string(all) + " cases of suite '" +
                     suite.name + "'; a pattern is for the whole id, as in '*/m=1/*'; `assay list " + selection.suite +
                     "` shows their ids");
  }
  return suite;
}

}  // namespace assay
