// The flags of `assay project`.
#pragma once
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "harness/project/goodput.h"

namespace CLI {
class App;
}

namespace assay {

struct ProjectOptions {
  std::vector<std::string> results;
  std::string model, accelerator, cluster, stack = "current", validate_file;
  std::string precision = "bf16", recompute = "selective", parts, schedule = "1f1b";
  std::int64_t gpus = 0, tensor = 0, pipeline = 0, interleave = 1, context = 1, expert = 1;
  std::int64_t global_batch = 2048, micro_batch = 1, sequence = 8192, prediction = 0;
  double imbalance = 1;
  int zero = 1;
  bool no_sequence_parallel = false, json = false, search = false, sensitivity = false, validate = false;
  std::optional<double> tokens, price, failures;
  std::set<std::string> given;  // of the flags that a search would choose
  Recovery recovery;
};

void add_project_flags(CLI::App& verb, ProjectOptions&);

/// --validate projects the published runs: InputError where a plan stands beside it, which would be left out.
void expect_no_plan(const CLI::App& verb);

}  // namespace assay
