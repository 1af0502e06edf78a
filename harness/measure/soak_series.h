// A launch's speed over hours, kept in a few thousand numbers, and when it fell.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "harness/core/placement.h"

namespace assay {

/// One stretch of a soak: a repetition, or neighbouring ones together.
struct SoakInterval {
  double start_seconds = 0;  // since the soak began
  double busy_seconds = 0;   // that its launches took together
  std::int64_t launches = 0;
  double slowest_seconds = 0;             // a launch, in its slowest repetition
  Placement placement = Placement::none;  // moved: repetitions in several classes
  double seconds_per_launch() const { return busy_seconds / double(launches); }
};

/// At most kMostIntervals of them however long it lasts: when they are full, neighbours are joined, and from then on
/// twice as many repetitions make an interval.
class SoakSeries {
 public:
  static constexpr std::size_t kMostIntervals = 2000;
  void add(const SoakInterval& repetition);
  const std::vector<SoakInterval>& intervals() const { return intervals_; }

 private:
  void fold();
  std::vector<SoakInterval> intervals_;
  std::size_t repetitions_per_interval_ = 1;
  std::size_t in_last_ = 0;  // repetitions in the last interval
};

struct ThrottleRule {
  double percent = 5;         // lower throughput by so much ...
  double hold_seconds = 10;   // ... for so long is a throttle
  double settle_seconds = 3;  // what comes before belongs to no baseline: the clock is still settling
};

/// What the series says of throttling.
struct Throttle {
  double baseline_seconds = 0;       // a launch in the first settled minute, the median
  std::optional<double> at_seconds;  // since the soak began; null: throughput never stayed low
  double lasted_seconds = 0;
};

/// The first settled minute; of a soak shorter than five, its first fifth.  Null where nothing was measured in it.
std::optional<Throttle> find_throttle(const std::vector<SoakInterval>&, const ThrottleRule&, double soak_seconds);

}  // namespace assay
