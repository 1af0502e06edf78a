// Which of many like things is unlike the rest: robust spread, tails, correction for many tests.  Pure functions.
#pragma once
#include <array>
#include <cstddef>
#include <span>
#include <vector>

namespace assay {

/// Value at the middle; the mean of two where their count is even.  Reorders; NaN for none.
double median_of(std::span<double> values);
/// Where half of the weight lies below.
double weighted_median(std::span<const double> values, std::span<const double> weights);

struct Spread {
  double centre = 0;  // the median
  double mad = 0;     // median distance from it
  double sigma = 0;   // a healthy value's standard deviation, never below the floor given
};

/// `sigma` is 1.4826 MAD, made larger where few values would make it too small, and at least the floor.
Spread robust_spread(std::span<const double> values, double floor);

/// The same for one case, where sigma is also at least what the distance of the upper tenth says (of fewer than 20
/// values: the second largest): a case in which a tenth of a fleet is slow, such as one with two modes, is that way,
/// and no single node is at fault.
Spread spread_of_case(std::span<const double> values, double floor);

/// Probability that a healthy value lies `z` sigmas or more above the centre of `n`: Student's t, because sigma itself
/// is an estimate, with 0.37 (n - 1) degrees of freedom, 20 at most.
double upper_tail(double z, std::size_t n);

/// Benjamini and Hochberg (1995): which of these p values are rejected so that at most a share `q` of the rejected is
/// expected to be false.
std::vector<bool> rejected(std::span<const double> p, double q);

/// Smallest deficit that counts, and the factor on 1.4826 MAD: a rate below median (1 - threshold) is flagged.
inline constexpr double kLeastDeficit = 0.03;
inline constexpr double kSigmas = 4;
double flag_threshold(const Spread&);

/// A distribution by its quantiles at (i + 1/2) / 32.
inline constexpr std::size_t kQuantiles = 32;
using Quantiles = std::array<float, kQuantiles>;
Quantiles quantiles_of(std::span<const double> sorted);

/// Area between two distribution functions, counted only where `samples` is the slower: the mean over quantiles of
/// max(0, difference), which is that area.  In units of the samples.
double slower_area(const Quantiles& samples, const Quantiles& criterion);

/// Which sample stands for the healthy ones: the one nearest, by the full area, to the median of each quantile.  Found
/// again without those whose similarity, 1 - slower area / criterion's median, is below `similar`, until that changes
/// nothing.  The median of each quantile has the least summed area to all samples that any distribution can have, so
/// this is the medoid without comparing all pairs.
std::size_t criterion_of(std::span<const Quantiles> samples, double similar);

}  // namespace assay
