// Host side of rotary position embedding on a GPU (cuda/rope.cuh).  C++17, no CUDA.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/common/launch_plan.h"
#include "kernels/layer/cuda/plan.h"
#include "kernels/layer/rope.h"

namespace assay {

struct RopeParams {
  const void* x = nullptr;  // [tokens, heads, head_dim]; dy of backward
  void* y = nullptr;        // dx of backward
  const float* cos = nullptr;
  const float* sin = nullptr;
  const std::int32_t* position_ids = nullptr;
  std::int64_t items = 0;               // threads with work
  std::int32_t heads = 0, half = 0;     // half: head_dim / 2, in elements
  float sign = 1;                       // of sin: backward turns the other way
  FastDivide pairs, groups, positions;  // of a head: vectors (or elements) of a half; of heads; of a sequence
};

inline constexpr int kRopeThreads = 256;
inline constexpr int kRopeHeads = 4;  // that a thread turns by the same angles

std::vector<LaunchPlan<RopeParams>> rope_plans(const RopeProblem&, const RopeBuffers&);
Support supports_rope_cuda(const RopeProblem&);

}  // namespace assay
