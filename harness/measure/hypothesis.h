// Tests of hypotheses: distributions, and what to do where many cases are judged at once.  Pure functions.
#pragma once
#include <span>
#include <vector>

namespace assay {

/// Probability that a standard normal variable exceeds z.
double normal_upper_tail(double z);

/// Probability that Student's t with `degrees` of freedom (at least 1) exceeds t.
double student_upper_tail(double t, double degrees);
/// The t that is exceeded with `probability`, between 0 and 1/2.
double student_quantile(double probability, double degrees);

/// Holm's adjusted p-values (1979), in the order given: rejecting those of at most alpha makes one false rejection or
/// more with at most that probability, however the cases depend on each other.
std::vector<double> holm(std::span<const double> p_values);

}  // namespace assay
