// What the sampler saw: never interpreted here.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/placement.h"

namespace assay {

/// Why sampling stopped.
enum class StopReason { interval, wall_budget, max_samples, timed_out, interrupted };
const char* name(StopReason);
bool parse(std::string_view, StopReason&);

struct Measurement {
  std::vector<double> seconds;       // per launch, in time order; none discarded
  std::vector<Placement> placement;  // of each sample; empty where not probed
  int batch = 1;                     // launches timed together for one sample; `seconds` is already divided by it
  std::int64_t warmup_launches = 0;
  double warmup_seconds = 0;
  double wall_seconds = 0;   // sampling, warm-up excluded
  double floor_seconds = 0;  // the measurement floor: an empty launch timed the same way
  StopReason stop = StopReason::max_samples;
  int in_turns = 1;          // kernels whose samples were taken in turns, this one among them; 1: alone
  double first_seconds = 0;  // the first launch after preparation, which is no sample; 0: not known
  /// Per rank its own times, of which `seconds` has the slowest's: rank_seconds[r][i] is of sample i * rank_stride.
  /// Empty where one clock times all ranks.
  std::vector<std::vector<double>> rank_seconds;
  int rank_stride = 1;
};

}  // namespace assay
