// What both of attention's references compute in fp64, with the errors that a kernel's fp32 would make.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/common/dtype.h"
#include "kernels/common/kernel.h"

namespace assay::reference {

inline const double kF32Roundoff = unit_roundoff(DType::f32);

/// row = the elements of `array` from `first`.
void load_row(DType, const void* array, std::int64_t first, std::vector<double>& row);

/// What cutting sums and products to fewer bits than fp32's adds to the error of a sum; 0 for fp32.
struct CoarseError {
  double shrinks = 0;  // always towards zero, at most this
  double walks = 0;    // either way
  double all() const { return shrinks + walks; }
};
/// Of `n` products of random sign.  `squares` is the sum of their squares, `magnitude` that of their absolute values.
CoarseError coarse_sum_error(std::size_t n, double value, double squares, double magnitude, const Accumulation&);

struct Dot {
  double value = 0, magnitude = 0, squares = 0;  // sum x y, sum |x y|, sum (x y)^2
  std::size_t length = 0;
  /// Of the same sum in fp32: 2 sqrt(length) u sum |x y|.
  double fp32_error() const;
  /// On top of that.
  CoarseError coarse_error(const Accumulation& how) const {
    return coarse_sum_error(length, value, squares, magnitude, how);
  }
};
Dot dot(const std::vector<double>& x, const std::vector<double>& y);

/// exp(e) of a larger error says nothing more than "no digit is left", and must not overflow.
inline constexpr double kMaxScoreError = 600;

/// The absolute error of a score on its way through an exponential (1. in reference.cpp): that of its product, already
/// scaled; that of scaling, changing to base 2 and subtracting; and the exponential's own.
double score_error(double dot_error, double score, double subtracted);

}  // namespace assay::reference
