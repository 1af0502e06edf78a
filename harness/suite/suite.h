// A suite file becomes cases: entries with axes, whose product is taken, and shapes derived from named models.
// Format: configs/schemas/suite.schema.json, explained in the README.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/core/case.h"
#include "harness/measure/sampler.h"
#include "harness/measure/soak_series.h"
#include "harness/workloads/workload.h"

namespace assay {

/// What the machine offers to "device": "auto".
struct DevicesPresent {
  int gpus = 0;
};

/// One `--set axis=v,v`: replaces that axis in every entry of the suite that has it, also where a model's dimensions or
/// "shapes" gave it (the case then loses the model's label).  Three keys narrow instead: `device` the machine (cpu: as
/// if it had no GPU), `workload` the entries; and a `kernel` counts where a workload has it.
struct AxisOverride {
  std::string axis;
  std::vector<std::string> values;
};

/// The cases of one workload are sampled briefly, and the fastest measured again (harness/runner/search.h).
struct SearchRule {
  std::string workload;
  int finalists = 3;      // for each device and dtype, of our kernels and of libraries' each
  SamplingRule sampling;  // of the first round
};

/// The cases run in turns for a long time, and their bits must not change (harness/runner/soak.h).
struct SoakRule {
  double seconds = 600;
  ThrottleRule throttle;
  double digest_share = 0.2;  // of the time; 1: the output of every launch is looked at
};

/// Each case is measured against itself (harness/runner/selftest.h).
struct SelftestRule {
  int repetitions = 20;
};

/// Slow ranks are searched for (harness/runner/stragglers.h) before the suite's collectives are measured: its other
/// cases are the probes.
struct StragglerRule {
  int operations = 100;                             // collectives whose arrivals are compared
  int probe_samples = 60;                           // of every probe
  double sample_seconds = 1e-3;                     // least length of one, and of the work before an operation
  std::int64_t link_bytes = std::int64_t(1) << 20;  // a message between two ranks
  double slower = 0.10;                             // who takes this part longer than the others is slow
};

struct Suite {
  std::string name;
  std::string description;
  SamplingRule sampling;
  // At most one of these five.
  std::optional<SearchRule> search;
  std::optional<SoakRule> soak;
  std::optional<SelftestRule> selftest;
  bool together = false;  // each device alone, then all at once (harness/runner/together.h)
  std::optional<StragglerRule> stragglers;
  std::vector<Case> cases;         // in file order, ids unique; none where the machine has no device the suite asks for
  std::vector<std::string> notes;  // what was left out and why, a line each
};

/// `source` names the text in errors ("configs/suites/quick.json").  InputError for anything that is not a suite whose
/// every case is possible: unknown key, wrong type, impossible shape, empty axis, duplicate id, overflowed product.
/// MeasureError for `--set device=` that names what this machine lacks.
Suite parse_suite(std::string_view text, const std::string& source, const Catalog&, const DevicesPresent&,
                  const std::vector<AxisOverride>& overrides = {});

/// `name` is a suite built into the binary, or a path to a file (it contains '/' or ends in ".json").
Suite load_suite(const std::string& name, const Catalog&, const DevicesPresent&,
                 const std::vector<AxisOverride>& overrides = {});

/// "m=1024,2048" -> override; InputError otherwise.
AxisOverride parse_override(std::string_view text);

}  // namespace assay
