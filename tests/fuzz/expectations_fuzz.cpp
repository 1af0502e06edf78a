// Any text is expectations or an InputError in one line that names the source; written and read again they are the
// same.
#include <string>

#include "harness/core/error.h"
#include "harness/verdict/expectations.h"
#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace assay;
  try {
    const Expectations read = parse_expectations(as_text(data, size), "fuzz");
    for (const auto& entry : read.entries) require(entry.value > 0, "what is expected is above 0");
    const std::string written = to_text(read);
    require(to_text(parse_expectations(written, "fuzz")) == written, "written and read again they are the same");
  } catch (const InputError& error) {
    require_message(error.what(), "fuzz:");
  }
  return 0;
}
