// Any word is a price or an InputError in one line.
#include <string>

#include "harness/core/error.h"
#include "harness/publish/table/row_extras.h"
#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace assay;
  const std::string text(as_text(data, size));
  try {
    const Price price = parse_price(text);
    require(price.dollars_per_hour > 0 && price.dollars_per_hour < 1e6, "a price is above 0");
    require(!price.accelerator.empty() && !price.source.empty() && !price.date.empty(), "a price has all its parts");
    require(price.source.find('\n') == std::string::npos, "a price's source stands in one line");
  } catch (const InputError& error) {
    require_message(error.what(), "");
  }
  return 0;
}
