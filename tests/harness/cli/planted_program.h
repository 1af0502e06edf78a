// The program with planted kernels, which are right, wrong or fail as their names say.
#pragma once
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/harness/cli/program.h"
#include "tests/harness/runner/planted_catalog.h"

namespace assay {

class CommandLine : public InEmptyFolder {
 protected:
  Ran assay(const std::vector<std::string>& arguments) { return run_program(arguments, catalog_); }
  /// A suite of these kernels, on a few elements.
  std::string suite(const std::vector<std::string>& kernels) {
    const nlohmann::ordered_json text = {
        {"schema", "assay-suite/1"},
        {"name", "planted"},
        {"description", "for a test"},
        {"sampling",
         {{"min_samples", 3},
          {"max_samples", 5},
          {"wall_seconds", 0.02},
          {"warmup_seconds", 0},
          {"timeout_seconds", 20}}},
        {"cases", {{{"workload", "planted"}, {"kernel", kernels}, {"device", "cpu"}, {"dtype", "f32"}, {"n", {64}}}}}};
    std::ofstream("planted.json") << text.dump();
    return "planted.json";
  }
  Ran run(const std::vector<std::string>& kernels) {
    return assay({"run", suite(kernels), "--out", "r.json", "--quiet"});
  }

  Catalog catalog_ = {
      planted_kind({"right", "unsupported", "wrong", "nan", "never_writes", "throws", "checks_nothing", "lib_right"})};
};

}  // namespace assay
