// By how much two sets of times differ, and how sure that is.
#pragma once
#include <cstddef>
#include <span>

#include "harness/measure/statistics.h"

namespace assay {

/// What is an independent observation: samples within one run, runs, or pairs of runs that took turns.
enum class ComparedUnit { sample, run, pair };
const char* name(ComparedUnit);

struct RatioTest {
  double ratio = 0;       // new over base: above 1 is slower
  Interval ratio_95;      // 95 % confidence, of this case alone
  double p_changed = 1;   // of a ratio this far beyond the margin, on either side, if the true one were within it
  double p_not_same = 1;  // of a ratio this deep within the margin if the true one were beyond it: both tests of TOST
};

/// How much runs of one program differ among themselves, beyond what the samples within them can know
/// (compare_scatter.h).
struct RunScatter {
  double deviation = 0;  // standard deviation of the logarithm of one run's median
  double degrees = 1;    // of the Student's t that it goes with
};

/// Of the medians of two runs' samples, each in time order.  `margin` is relative: 0.02.
///
/// Three limits are joined on the logarithms by the method of variance estimates recovery (Zou and Donner 2008): each
/// at the same level, in quadrature.  Of each median, order statistics widened for autocorrelation (statistics.cpp): no
/// form of the samples' distribution is assumed, and an interval that is longer upwards stays so.  Of the runs,
/// Student's t times sqrt(2) deviations.  The p-values invert that interval: the level at which it just touches the
/// margin. Doubled, as the 95 % interval gives 2.5 % to each end.
///
/// Without a deviation it says nothing about how much the next run would differ.
RatioTest ratio_of_samples(std::span<const double> base, std::span<const double> next, const RunScatter&,
                           double margin);

/// Of the runs' medians, each run once (Welch's t on logarithms); at least 2 a side.  `ratio` is that of the geometric
/// means.
RatioTest ratio_of_runs(std::span<const double> base, std::span<const double> next, double margin);

/// Of medians of pairs of runs that took turns (Student's t on the logarithms of their ratios): what slows both runs of
/// a pair cancels.  At least 2 pairs.
RatioTest ratio_of_pairs(std::span<const double> base, std::span<const double> next, double margin);

}  // namespace assay
