// Host side of the copies of columns on a GPU (cuda/columns.cuh).  C++17, no CUDA.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/common/launch_plan.h"
#include "kernels/layer/columns.h"
#include "kernels/layer/cuda/plan.h"

namespace assay {

/// A word is what one thread moves at once: 16 bytes where everything is a multiple of that, else an element.
struct ColumnsParams {
  void* joint = nullptr;
  void* part[kMostColumnParts] = {};
  std::uint32_t begin[kMostColumnParts] = {};  // words of a joint row before the part; of all of it where there is none
  std::uint32_t width[kMostColumnParts] = {};  // words of a part's row
  std::uint32_t words = 0;                     // of the whole joint
  FastDivide words_of_row;
};

inline constexpr int kColumnsThreads = 256;
inline constexpr int kColumnsUnroll = 8;  // words that a thread has in flight: 128 bytes

std::vector<LaunchPlan<ColumnsParams>> columns_plans(const ColumnsProblem&, const ColumnsBuffers&);
/// Words are counted in 31 bits.
Support supports_columns_cuda(const ColumnsProblem&);

}  // namespace assay
