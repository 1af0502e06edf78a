// What `list` and `run` share: which suite, with which axes replaced, which of its cases.
#pragma once
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

/// For a path: an empty one comes from a script's unset variable.
CLI::Validator not_empty();

/// InputError where nothing is left.
Suite select_cases(const Selection&, const Catalog&, const DevicesPresent&);

}  // namespace assay
