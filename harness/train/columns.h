// What a step does that is no kernel of a table: copies between a product's joint output and the tensors that attention
// takes, and clearing.  On a CPU, by the target's threads.
#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "kernels/common/dtype.h"
#include "kernels/common/kernel.h"

namespace assay {

/// [rows, width], packed: some columns of a wider matrix.
struct Columns {
  void* data = nullptr;
  std::int64_t width = 0;
};

/// joint is [rows, sum of the widths].  Returned is what copies, each time it is called.
std::function<void()> split_columns(const void* joint, std::vector<Columns> to, std::int64_t rows, DType,
                                    const Target&);
std::function<void()> merge_columns(void* joint, std::vector<Columns> from, std::int64_t rows, DType, const Target&);
std::function<void()> zero_floats(float* array, std::int64_t count, const Target&);

}  // namespace assay
