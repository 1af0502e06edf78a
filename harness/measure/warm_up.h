// When a launch runs steadily.
#pragma once
#include <vector>

#include "harness/measure/sampler.h"

namespace assay {

/// Fed with the time a launch took, again and again, while warming up.
///
/// Burst: at least warmup_seconds, and until the two halves of the last warmup_seconds (four times at least) agree:
/// their medians within 2 %. Sustained: at least sustained_seconds, and until the times' slope over the last second is
/// below 0.5 % per second, or not distinguishable from none by twice its standard error.  GPU clocks take about three
/// seconds to settle under load. A launch that never settles is sampled all the same, after a quarter (sustained: half)
/// of the wall budget: its drift and autocorrelation then say so.
class SteadyState {
 public:
  SteadyState(Mode mode, const SamplingRule& rule) : mode_(mode), rule_(rule) {}
  /// `elapsed` seconds since the warm-up began.
  void add(double elapsed, double seconds_per_launch);
  bool reached() const;

 private:
  struct Point {
    double elapsed, seconds;
  };
  static double median(std::vector<Point>::const_iterator begin, std::vector<Point>::const_iterator end);
  bool agree() const;
  bool settled() const;
  Mode mode_;
  SamplingRule rule_;
  std::vector<Point> points_;
};

}  // namespace assay
