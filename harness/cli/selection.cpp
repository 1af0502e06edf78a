#include "harness/cli/selection.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>

#include "harness/core/error.h"
#include "harness/core/glob.h"
#include "harness/record/provenance.h"
#include "harness/verdict/fleet_reader.h"

namespace assay {

void add_selection(CLI::App& verb, Selection& selection) {
  constexpr int kMostThreads = 4096;
  verb.add_option("suite", selection.suite, "a suite built into assay, or a file ending in .json")
      ->capture_default_str();
  // One value each: `--set m=1 quick` must not swallow the suite.
  verb.add_option("--set", selection.set,
                  "replaces that axis in every entry that has it, as in m=1024,2048; once an axis")
      ->type_name("AXIS=V[,V]")
      ->allow_extra_args(false);
  verb.add_option("--filter", selection.filter,
                  "only cases whose whole id matches, as in 'gemm/*'; may be given several times")
      ->type_name("GLOB")
      ->allow_extra_args(false);
  verb.add_option("--threads", selection.threads, "CPU threads; default: all this process may use")
      ->type_name("N")
      ->check(whole_between(1, kMostThreads));
}

CLI::Validator not_empty(const std::string& expected) {
  return CLI::Validator(
      [expected](std::string& text) { return text.empty() ? "is empty, expected " + expected : std::string(); }, "");
}

namespace {

/// All of the text, read alike in every locale.
template <class Number>
bool reads_as(const std::string& text, Number& out) {
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, out);
  return error == std::errc() && rest == end;
}

template <class Number>
CLI::Validator in_range(const char* kind, Number least, Number most) {
  const std::string range = fmt::format("{} to {}", least, most);
  const auto problem = [=](std::string& text) {
    Number value{};
    if (reads_as(text, value) && value >= least && value <= most) return std::string();
    return fmt::format("\"{}\", expected {} from {}", text, kind, range);
  };
  return CLI::Validator(problem, range);
}

}  // namespace

CLI::Validator between(double least, double most) { return in_range("a number", least, most); }

CLI::Validator whole_between(std::int64_t least, std::int64_t most) { return in_range("a whole number", least, most); }

std::vector<std::string> result_files(const std::vector<std::string>& words) {
  std::vector<std::string> out;
  for (const auto& path : expand_results(words)) out.push_back(path.string());
  return out;
}

std::filesystem::path dated_path(const std::string& stem) {
  std::string stamp = utc_now();
  std::erase_if(stamp, [](char c) { return c == '-' || c == ':' || c == 'Z'; });
  std::replace(stamp.begin(), stamp.end(), 'T', '-');
  return std::filesystem::path("out") / (stem + "-" + stamp);
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
