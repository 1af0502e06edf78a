#include "harness/measure/measurement.h"

#include <cstddef>
#include <stdexcept>

namespace assay {
namespace {

struct StopReasonName {
  StopReason reason;
  const char* name;
};
constexpr StopReasonName kStopReasons[] = {{StopReason::interval, "interval"},
                                           {StopReason::wall_budget, "wall_budget"},
                                           {StopReason::max_samples, "max_samples"},
                                           {StopReason::timed_out, "timed_out"},
                                           {StopReason::interrupted, "interrupted"}};

struct PlacementName {
  Placement placement;
  const char* name;
};
constexpr PlacementName kPlacements[] = {
    {Placement::none, "none"}, {Placement::near, "near"}, {Placement::far, "far"}, {Placement::moved, "moved"}};

}  // namespace

const char* name(StopReason reason) {
  for (const auto& row : kStopReasons)
    if (row.reason == reason) return row.name;
  throw std::logic_error("no such StopReason");
}

bool parse(std::string_view text, StopReason& out) {
  for (const auto& row : kStopReasons)
    if (text == row.name) return out = row.reason, true;
  return false;
}

const char* name(Placement placement) {
  for (const auto& row : kPlacements)
    if (row.placement == placement) return row.name;
  throw std::logic_error("no such Placement");
}

bool parse(std::string_view text, Placement& out) {
  for (const auto& row : kPlacements)
    if (text == row.name) return out = row.placement, true;
  return false;
}

}  // namespace assay
