// Host side of the experts' router on a GPU (cuda/router.cuh).  C++17, no CUDA.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/common/launch_plan.h"
#include "kernels/layer/cuda/plan.h"
#include "kernels/layer/router.h"

namespace assay {

struct RouterParams {
  const void* logits = nullptr;    // [tokens, experts]
  const float* bias = nullptr;     // [experts]
  std::int32_t* expert = nullptr;  // [tokens, top_k]
  float* weight = nullptr;         // [tokens, top_k]
  const float* dweight = nullptr;  // [tokens, top_k]
  void* dlogits = nullptr;         // [tokens, experts]
  std::int64_t tokens = 0;
  std::int32_t experts = 0, top_k = 0, groups = 1, top_groups = 1;
  std::int32_t sigmoid = 0, renormalise = 1;
  float scale = 1;
  FastDivide group_size;
};

inline constexpr int kRouterThreads = 128;  // a warp a token
inline constexpr int kRouterMostGroups = 32;

std::vector<LaunchPlan<RouterParams>> router_plans(const RouterProblem&, const RouterBuffers&);
Support supports_router_cuda(const RouterProblem&);

}  // namespace assay
