// How far from the exact result a kernel may be: derived from the arithmetic, not chosen.
#pragma once
#include <cstdint>

#include "kernels/common/dtype.h"

namespace assay {

/// A dot product of length k accumulated in `accumulate` and rounded once to `out`; magnitude = sum |a_p b_p|,
/// reference = its exact value.  Derivation in allowed_error.cpp.
double dot_product_allowed(std::int64_t k, double magnitude, DType accumulate, double reference, DType out);

/// An fp32 element that started at `start` and had the same fp32-accumulated dot product added `added` times.
double accumulated_allowed(std::int64_t k, double magnitude, double start, double reference, std::int64_t added);

}  // namespace assay
