// Host side of the gradient norm on a GPU (cuda/grad_norm.cuh).  C++17, no CUDA.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/common/launch_plan.h"
#include "kernels/layer/cuda/plan.h"
#include "kernels/layer/grad_norm.h"

namespace assay {

struct GradNormParams {
  const void* const* gradients = nullptr;     // [tensors]
  const std::int64_t* elements = nullptr;     // [tensors]
  const std::int64_t* first_chunk = nullptr;  // [tensors]
  const std::int32_t* tensor_of = nullptr;    // [chunks]
  float* partials = nullptr;                  // [chunks]
  GradNorm* result = nullptr;
  std::int64_t chunks = 0;
  float max_norm = 1;
};

inline constexpr int kGradNormThreads = 256;

/// What the workspace begins with: first_chunk, then tensor_of.  Partials follow.
std::vector<std::uint8_t> grad_norm_tables(const GradNormProblem&);
std::int64_t grad_norm_workspace_bytes(const GradNormProblem&);

/// Partials of all chunks, then their sum; the workspace begins with the tables.
std::vector<LaunchPlan<GradNormParams>> grad_norm_plans(const GradNormProblem&, const GradNormBuffers&,
                                                        void* workspace);
Support supports_grad_norm_cuda(const GradNormProblem&);

}  // namespace assay
