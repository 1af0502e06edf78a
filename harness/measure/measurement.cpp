#include "harness/measure/measurement.h"

#include "harness/core/names.h"

namespace assay {
namespace {

constexpr Named<StopReason> kStopReasons[] = {{StopReason::interval, "interval"},
                                              {StopReason::wall_budget, "wall_budget"},
                                              {StopReason::max_samples, "max_samples"},
                                              {StopReason::timed_out, "timed_out"},
                                              {StopReason::interrupted, "interrupted"}};

}  // namespace

const char* name(StopReason value) { return find_name(kStopReasons, value); }
bool parse(std::string_view text, StopReason& out) { return find_value(kStopReasons, text, out); }

}  // namespace assay
