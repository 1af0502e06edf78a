// How far a correct kernel may be from the fp64 reference.  Derived in allowed_error.cpp, not chosen.
#pragma once
#include <cstdint>

#include "kernels/common/dtype.h"
#include "kernels/common/kernel.h"

namespace assay {

/// Of a dot product of length k, summed in `accumulate` and stored as `out`.  `magnitude` is sum |a_p * b_p|,
/// `reference` the exact value.
double dot_product_allowed(std::int64_t k, double magnitude, DType accumulate, double reference, DType out);

/// Of d after `launches` times d += (that dot product), d kept in `accumulate` and starting at `initial`.
/// The exact result is initial + launches * value.
double accumulated_allowed(std::int64_t k, std::int64_t launches, double initial, double value, double magnitude,
                           DType accumulate);

/// What summing in fewer bits than fp32's adds to either of the above, per launch; 0 for fp32.  For products of random
/// sign, as all fills give.
double coarse_sum_allowed(std::int64_t k, double magnitude, const Accumulation&);

/// The error of storing a result too small to be a normal number of `out`.
double smallest_step(DType out);

}  // namespace assay
