// Host side of the fused softmax cross-entropy on a GPU (cuda/cross_entropy.cuh).  C++17, no CUDA.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/common/launch_plan.h"
#include "kernels/layer/cross_entropy.h"
#include "kernels/layer/cuda/plan.h"

namespace assay {

struct CrossEntropyParams {
  void* logits = nullptr;                // [tokens, vocab]
  const std::int32_t* labels = nullptr;  // [tokens]
  float* loss = nullptr;                 // [tokens]
  float* lse = nullptr;                  // [tokens]
  const float* scale = nullptr;
  std::int64_t tokens = 0, vocab = 0;
  std::int32_t ignore_index = 0;
  std::int32_t slots = 0;  // vectors of a row that a thread keeps in shared memory, at most kCrossEntropySlots
  float z_loss = 0;
};

/// 14 x 1024 threads x 16 bytes are 224 KiB of the 227 that a block of Hopper or Blackwell may have.
inline constexpr int kCrossEntropySlots = 14;
inline constexpr unsigned kCrossEntropyThreads = 1024;  // at most

std::vector<LaunchPlan<CrossEntropyParams>> cross_entropy_plans(const CrossEntropyProblem&, const CrossEntropyBuffers&,
                                                                const Target&);

}  // namespace assay
