#include "harness/measure/stopping_rule.h"

#include <algorithm>

#include "harness/measure/statistics.h"

namespace assay {

void StoppingRule::add(double seconds, Placement placement, double elapsed_seconds) {
  seen_.seconds.push_back(seconds);
  seen_.placement.push_back(placement);
  const int n = int(seen_.seconds.size());
  const bool time_to_look = n % kSamplesBetweenChecks == 0 || n == rule_.min_samples;
  if (done()) return;  // the rest of a group that was taken together
  if (time_to_look && narrow())
    reason_ = StopReason::interval;
  else if (n >= rule_.max_samples)
    reason_ = StopReason::max_samples;
  else if (elapsed_seconds >= rule_.wall_seconds)
    reason_ = StopReason::wall_budget;
}

/// Of the samples in the most frequent placement class alone: classes are never mixed.
bool StoppingRule::narrow() const {
  const std::vector<double> samples = samples_in(seen_, dominant_placement(seen_.placement));
  std::vector<double> ordered = samples;
  std::sort(ordered.begin(), ordered.end());
  const double median = quantile(ordered, 0.5);
  const int least = median < kShortLaunchSeconds ? std::max(rule_.min_samples, kShortLaunchSamples) : rule_.min_samples;
  if (int(samples.size()) < std::min(least, rule_.max_samples)) return false;
  const double inflation = variance_inflation(samples);
  if (double(samples.size()) / inflation < std::min(kLeastEffectiveSamples, double(rule_.min_samples))) return false;
  const Interval interval = median_interval(samples, inflation);
  return (interval.high - interval.low) / 2 <= rule_.relative_half_width * median;
}

}  // namespace assay
