// What the layer's references say of a kernel's errors.
#pragma once
#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/layer/layer.h"

namespace assay::reference {

inline const double kF32Unit = unit_roundoff(DType::f32);
/// Below the normal numbers of fp32 a result may be lost whole: instructions may flush it to zero.
inline constexpr double kF32Smallest = 0x1p-126;

/// Of a sum of n terms in fp32, relative to the sum of their magnitudes: the errors' signs are random.  Twice the
/// deviation's bound, as everywhere.
inline double sum_error(std::int64_t n) { return 2 * std::sqrt(static_cast<double>(n)) * kF32Unit; }

/// The error of `value` once it is rounded to the type, where it was known up to `before`.
inline double rounded_error(DType t, double value, double before) {
  const DTypeInfo& type = info(t);
  const double half_subnormal_step = std::ldexp(1.0, type.min_exponent - type.significand_bits);
  return before + unit_roundoff(t) * (std::abs(value) + before) + half_subnormal_step;
}

inline LayerElement rounded(DType t, double value, double before) { return {value, rounded_error(t, value, before)}; }

/// Elements `first` .. of an array of the type.
inline std::vector<double> load_row(DType t, const void* array, std::int64_t first, std::int64_t count) {
  std::vector<double> row(static_cast<std::size_t>(count));
  for (std::int64_t c = 0; c < count; ++c) row[static_cast<std::size_t>(c)] = load_element(t, array, first + c);
  return row;
}

}  // namespace assay::reference
