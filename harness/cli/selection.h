// What `list` and `run` share: which suite, with which axes replaced, which of its cases.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "harness/runner/runner.h"
#include "harness/suite/suite.h"

namespace CLI {
class App;
class Validator;
}  // namespace CLI

namespace assay {

struct Selection {
  std::string suite = "quick";
  std::vector<std::string> set;     // "m=1024,2048"
  std::vector<std::string> filter;  // patterns over ids: a case that matches any is taken
  int threads = 0;
};

void add_selection(CLI::App& verb, Selection&);

/// An empty value comes from a script's unset variable.
CLI::Validator not_empty(const std::string& expected = "a path");

/// A number in digits, NaN being none; its help says the range.
CLI::Validator between(double least, double most);
CLI::Validator whole_between(std::int64_t least, std::int64_t most);

/// Files, those of folders, and those that match patterns: what verbs that read results take.
std::vector<std::string> result_files(const std::vector<std::string>& words);

/// out/STEM-20260131-123456 in the current folder.
std::filesystem::path dated_path(const std::string& stem);

/// InputError where nothing is left.
Suite select_cases(const Selection&, const Catalog&, const DevicesPresent&);

}  // namespace assay
