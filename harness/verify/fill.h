// Seeded inputs.  Element i of tensor t depends on (seed, t, i) alone, and is the same number on every machine and
// with every number of threads.
#pragma once
#include <cstdint>

#include "harness/core/case.h"
#include "kernels/common/dtype.h"

namespace assay {

/// Element `index` of tensor `tensor` before rounding to an element type:
/// normal: mean 0, deviation 1; uniform: [-1, 1); integers: -2 .. 2, products and sums of which are exact; zeros: 0.
float fill_value(Fill, std::uint64_t seed, std::uint64_t tensor, std::int64_t index);

/// A whole host array of `count` elements, rounded to nearest even in `dtype`, by `threads` threads.
void fill_array(DType, void* array, std::int64_t count, Fill, std::uint64_t seed, std::uint64_t tensor, int threads);

}  // namespace assay
