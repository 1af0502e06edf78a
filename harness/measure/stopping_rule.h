// When there are enough samples.
#pragma once
#include <optional>

#include "harness/measure/sampler.h"

namespace assay {

/// Launches shorter than this need, and can afford, more samples: their noise is more autocorrelated.
inline constexpr double kShortLaunchSeconds = 1e-3;
inline constexpr int kShortLaunchSamples = 100;

/// The interval is looked at only every so many samples: looking after each would stop at the first narrow accident.
inline constexpr int kSamplesBetweenChecks = 10;
/// Least effective number of samples before an interval is believed (the rule's min_samples, if that is less): from
/// fewer, neither the interval nor the autocorrelation that widens it can be told.
inline constexpr double kLeastEffectiveSamples = 20;

class StoppingRule {
 public:
  explicit StoppingRule(const SamplingRule& rule) : rule_(rule) {}
  /// One sample, in time order.  `elapsed_seconds` of the case, warm-up included.
  void add(double seconds, Placement, double elapsed_seconds);
  bool done() const { return reason_.has_value(); }
  /// Only when done.
  StopReason reason() const { return reason_.value(); }

 private:
  bool narrow() const;
  SamplingRule rule_;
  Measurement seen_;
  std::optional<StopReason> reason_;
};

}  // namespace assay
