// Any text is a suite or an InputError that is one line and names the source; nothing else comes out.
#include <cstdlib>
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

void require(bool holds) {
  if (!holds) std::abort();  // what libFuzzer and the replay notice
}

void check(const Suite& suite) {
  require(suite.cases.size() <= std::size_t(kMaxCases));
  require(suite.sampling.min_samples <= suite.sampling.max_samples);
  std::set<std::string> ids;
  for (const auto& point : suite.cases) {
    require(ids.insert(point.id()).second);
    for (const auto& axis : point.axes) {
      const auto* number = std::get_if<std::int64_t>(&axis.value);
      require(!number || *number >= 0);
    }
  }
}

void try_suite(std::string_view text, const DevicesPresent& devices, const std::vector<AxisOverride>& overrides) {
  static const Catalog catalog = fake_catalog();
  try {
    check(parse_suite(text, "fuzz", catalog, devices, overrides));
  } catch (const InputError& error) {
    const std::string_view message = error.what();
    require(message.starts_with("fuzz:") || message.starts_with("--set "));
    require(message.find('\n') == std::string_view::npos);
    require(message.size() < 4096);
  }
}

}  // namespace
}  // namespace assay

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (size % 2 == 0)
    assay::try_suite(text, {0}, {});
  else
    assay::try_suite(text, {2}, {{"m", {"7", "1Ki"}}});
  return 0;
}
