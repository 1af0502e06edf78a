// The fast reader of a fleet's files says what the slow one says, or leaves the file to it.
#include <algorithm>
#include <optional>

#include "harness/core/error.h"
#include "harness/verdict/fleet_reader.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/memory_file.h"

namespace assay {
namespace {

bool same(const FleetValue& a, const FleetValue& b) {
  return a.point == b.point && a.device == b.device && a.median == b.median && a.quantiles == b.quantiles;
}

bool same(const FleetNode& a, const FleetNode& b) {
  const auto equal = [](const auto& x, const auto& y, auto&& alike) {
    return std::equal(x.begin(), x.end(), y.begin(), y.end(), alike);
  };
  return a.name == b.name && a.hardware == b.hardware && a.uuids == b.uuids && a.started_utc == b.started_utc &&
         a.complete == b.complete && a.seal == b.seal &&
         equal(a.values, b.values, [](const auto& x, const auto& y) { return same(x, y); }) &&
         equal(a.failures, b.failures,
               [](const auto& x, const auto& y) {
                 return x.id == y.id && x.device == y.device && x.outcome == y.outcome && x.reason == y.reason;
               }) &&
         equal(a.digests, b.digests, [](const auto& x, const auto& y) { return x.repeats(y); });
}

}  // namespace
}  // namespace assay

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace assay;
  const MemoryFile file(as_text(data, size));
  FleetCases cases;
  std::optional<FleetNode> slow;
  try {
    slow = slow_read_fleet_node(file.path(), cases);
  } catch (const InputError& error) {
    require_message(error.what(), file.path().string());
  }
  const auto fast = fast_read_fleet_node(file.path(), cases);
  if (fast && slow) require(same(*fast, *slow), "both readers say the same of a file");
  return 0;
}
