// Any text is a result or an InputError that names the source; a result written and read again is the same.
#include <cstdlib>
#include <string>
#include <string_view>

#include "harness/core/error.h"
#include "harness/record/result.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();  // what libFuzzer and the replay notice
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const assay::Result result = assay::parse_result(text, "fuzz");
    const std::string written = assay::to_text(result);
    require(assay::to_text(assay::parse_result(written, "fuzz")) == written);
    for (const auto& record : result.records) {
      const auto rates = assay::rates(record);
      require(!rates || record.outcome.ok());
    }
  } catch (const assay::InputError& error) {
    require(std::string_view(error.what()).starts_with("fuzz:"));
  }
  return 0;
}
