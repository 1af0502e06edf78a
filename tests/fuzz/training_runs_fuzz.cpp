// Any text is training runs that can be projected, or an InputError in one line that names the source.
#include <cmath>
#include <nlohmann/json.hpp>

#include "harness/core/error.h"
#include "harness/project/calibration.h"
#include "harness/project/projection_text.h"
#include "harness/project/validation.h"
#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace assay;
  try {
    const PublishedRuns runs = parse_published_runs(as_text(data, size), "fuzz");
    const Validation found = validate_runs(runs, calibration());
    require(found.runs.size() == runs.runs.size(), "each run is projected");
    for (const auto& run : found.runs)
      require(std::isfinite(run.projected_seconds) && run.projected_seconds > 0, "a projected step takes time");
    validation_text(found);
    require(nlohmann::json::accept(validation_json(found)), "a validation is JSON");
  } catch (const InputError& error) {
    require_message(error.what(), "fuzz:");
  }
  return 0;
}
