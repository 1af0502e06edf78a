// Statistics that survive a noisy machine: order statistics, widened for autocorrelation.  Pure functions.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

#include "harness/measure/measurement.h"

namespace assay {

struct Interval {
  double low = 0, high = 0;
};

struct Summary {
  std::size_t n = 0;                      // samples summarised
  std::size_t n_total = 0;                // samples taken (more than n where some ran in another placement class)
  Placement placement = Placement::none;  // the class summarised: the most frequent one
  double median = 0;
  Interval median_95;  // 95 % confidence
  double minimum = 0, maximum = 0, p5 = 0, p95 = 0, mean = 0;
  double autocorrelation = 0;  // lag 1
  double n_effective = 0;      // n over the variance inflation
  double drift = 0;            // median of the last third over median of the first third, less 1
  int modes = 1;               // separate peaks of the distribution
};

/// Value at quantile q in [0, 1] of sorted data, linearly interpolated.
double quantile(std::span<const double> sorted, double q);

/// Lag-1 autocorrelation; 0 where the variance is 0 or n < 3.
double lag1_autocorrelation(std::span<const double> samples);

/// How many times the variance of an independent sample's median this sample's has (derivation in statistics.cpp).
/// From 1, and n at most.
double variance_inflation(std::span<const double> samples);

/// 95 % confidence interval of the median of samples in time order, from order statistics whose ranks are widened by
/// the square root of the variance inflation (derivation in statistics.cpp).  The whole range where n is too small.
Interval median_interval(std::span<const double> samples);
Interval median_interval(std::span<const double> samples, double inflation);
/// The same of sorted samples, with as many standard deviations of the count as `z` says (1.96: 95 %).
Interval median_interval_of_sorted(std::span<const double> sorted, double inflation, double z);

/// Separate peaks of the distribution; 1 for fewer than 20 samples (definition in modes.cpp).
int count_modes(std::span<const double> samples);

/// The class most samples ran in; `moved` only where no sample ran in one place.  `none` for an empty list.
Placement dominant_placement(std::span<const Placement>);
/// The samples of that class, in time order; all of them where samples carry no class.
std::vector<double> samples_in(const Measurement&, Placement);

/// Everything above; of the most frequent placement class where samples carry classes.  n == 0 for no samples.
Summary summarise(const Measurement&);
Summary summarise(std::span<const double> samples);

}  // namespace assay
