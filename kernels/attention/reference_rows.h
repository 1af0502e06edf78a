// What both of attention's references compute in fp64, with the errors that a kernel's fp32 would make.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/common/dtype.h"

namespace assay::reference {

inline const double kF32Roundoff = unit_roundoff(DType::f32);

/// row = the elements of `array` from `first`.
void load_row(DType, const void* array, std::int64_t first, std::vector<double>& row);

struct Dot {
  double value = 0, magnitude = 0;  // sum x y, sum |x y|
  std::size_t length = 0;
  /// Of the same sum in fp32: 2 sqrt(length) u sum |x y|.
  double fp32_error() const;
};
Dot dot(const std::vector<double>& x, const std::vector<double>& y);

/// The absolute error of a score on its way through an exponential (1. in reference.cpp): that of its product, already
/// scaled; that of scaling, changing to base 2 and subtracting; and the exponential's own.
double score_error(double dot_error, double score, double subtracted);

}  // namespace assay::reference
