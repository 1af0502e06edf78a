// Any text is a suite or an InputError that is one line and names the source; nothing else comes out.
#include <set>
#include <string>
#include <string_view>

#include "harness/core/error.h"
#include "harness/suite/entry.h"
#include "harness/suite/suite.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/harness/suite/fake_catalog.h"

namespace assay {
namespace {

void check(const Suite& suite) {
  require(suite.cases.size() <= std::size_t(kMaxCases), "a suite has at most so many cases");
  require(suite.sampling.min_samples <= suite.sampling.max_samples, "the least samples are no more than the most");
  std::set<std::string> ids;
  for (const auto& point : suite.cases) {
    require(ids.insert(point.id()).second, "each case is there once");
    for (const auto& axis : point.axes) {
      const auto* number = std::get_if<std::int64_t>(&axis.value);
      require(!number || *number >= 0, "no axis is negative");
    }
  }
}

void try_suite(std::string_view text, const DevicesPresent& devices, const std::vector<AxisOverride>& overrides) {
  static const Catalog catalog = fake_catalog();
  try {
    check(parse_suite(text, "fuzz", catalog, devices, overrides));
  } catch (const InputError& error) {
    const std::string_view message = error.what();
    require_message(message, message.starts_with("--set ") ? "--set " : "fuzz:");
  }
}

}  // namespace
}  // namespace assay

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = assay::as_text(data, size);
  if (size % 2 == 0)
    assay::try_suite(text, {0}, {});
  else
    assay::try_suite(text, {2}, {{"m", {"7", "1Ki"}}});
  return 0;
}
