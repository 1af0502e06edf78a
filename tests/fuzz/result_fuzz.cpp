// Any text is a result or an InputError that names the source; a result written and read again is the same.
#include <string>
#include <string_view>

#include "harness/core/error.h"
#include "harness/record/result.h"
#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using assay::require;
  const std::string_view text = assay::as_text(data, size);
  try {
    const assay::Result result = assay::parse_result(text, "fuzz");
    const std::string written = assay::to_text(result);
    require(assay::to_text(assay::parse_result(written, "fuzz")) == written, "written and read again it is the same");
    for (const auto& record : result.records) {
      const auto rates = assay::rates(record);
      require(!rates || record.outcome.ok(), "what has a rate is right");
    }
  } catch (const assay::InputError& error) {
    assay::require_message(error.what(), "fuzz:");
  }
  return 0;
}
