// Seeded inputs: element i of a tensor depends on (seed, tensor, i) alone, and is the same on every machine.
#pragma once
#include <cstdint>

#include "harness/core/case.h"
#include "kernels/common/dtype.h"

namespace assay {

/// Fills a host array of `count` elements of `dtype`, rounded to it.  `tensor` tells operands apart.
void fill_tensor(void* array, DType dtype, std::int64_t count, Fill fill, std::uint64_t seed, std::uint64_t tensor);

}  // namespace assay
