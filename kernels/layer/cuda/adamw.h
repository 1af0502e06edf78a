// Host side of AdamW on a GPU (cuda/adamw.cuh).  C++17, no CUDA.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/common/launch_plan.h"
#include "kernels/layer/adamw.h"
#include "kernels/layer/cuda/plan.h"

namespace assay {

struct AdamWParams {
  float* master = nullptr;  // [elements]
  void* param = nullptr;    // [elements] bf16, or null
  const void* gradient = nullptr;
  float* m = nullptr;
  float* v = nullptr;
  const AdamWStep* step = nullptr;
  const float* gradient_scale = nullptr;
  std::int64_t elements = 0;
  float beta1 = 0, beta2 = 0, rest1 = 0, rest2 = 0;  // rest: 1 - beta, taken in fp64
  float epsilon = 0;
};

inline constexpr int kAdamWThreads = 256;
inline constexpr int kAdamWVector = 4;  // elements: 16 bytes of each fp32 array
inline constexpr int kAdamWUnroll = 2;  // vectors of each array a thread has in flight

std::vector<LaunchPlan<AdamWParams>> adamw_plans(const AdamWProblem&, const AdamWBuffers&);
Support supports_adamw_cuda(const AdamWProblem&);

}  // namespace assay
