#include "kernels/attention/cuda/simt_f32_backward.cuh"

#include "kernels/attention/cuda/simt_f32_backward.h"
#include "kernels/common/cuda_launch.h"

namespace assay {

// Plain names: what the launch plan says is what profilers show and what the functional GPU looks up.
#define ASSAY_BACKWARD_KERNEL(kernel, function, head_dim)                                          \
  extern "C" __global__ void __launch_bounds__(SimtF32BackwardTile<head_dim>::kThreads,            \
                                               SimtF32BackwardTile<head_dim>::kBlocks)             \
      attention_simt_f32_backward_##kernel##_d##head_dim(const AttentionSimtF32BackwardParams p) { \
    simt_f32_backward::function<head_dim>(p);                                                      \
  }
#define ASSAY_BACKWARD_KERNELS(head_dim)               \
  ASSAY_BACKWARD_KERNEL(delta, sum_delta, head_dim)    \
  ASSAY_BACKWARD_KERNEL(keys, backward_keys, head_dim) \
  ASSAY_BACKWARD_KERNEL(queries, backward_queries, head_dim)

ASSAY_BACKWARD_KERNELS(64)
ASSAY_BACKWARD_KERNELS(96)
ASSAY_BACKWARD_KERNELS(128)

namespace {

#define ASSAY_BACKWARD_ROWS(head_dim)                                                                   \
  {"attention_simt_f32_backward_delta_d" #head_dim, attention_simt_f32_backward_delta_d##head_dim},     \
      {"attention_simt_f32_backward_keys_d" #head_dim, attention_simt_f32_backward_keys_d##head_dim}, { \
    "attention_simt_f32_backward_queries_d" #head_dim, attention_simt_f32_backward_queries_d##head_dim  \
  }

const NamedKernel<AttentionSimtF32BackwardParams> kKernels[] = {
    ASSAY_BACKWARD_ROWS(64),
    ASSAY_BACKWARD_ROWS(96),
    ASSAY_BACKWARD_ROWS(128),
};

}  // namespace

void prepare_attention_simt_f32_backward(const std::vector<AttentionSimtF32BackwardPlan>& plans) {
  for (const AttentionSimtF32BackwardPlan& plan : plans)
    allow_shared_bytes(reinterpret_cast<const void*>(find_kernel(kKernels, plan)), plan.shared_bytes);
}

void launch_attention_simt_f32_backward(const std::vector<AttentionSimtF32BackwardPlan>& plans, Stream stream) {
  for (const AttentionSimtF32BackwardPlan& plan : plans) launch_kernel(find_kernel(kKernels, plan), plan, stream);
}

}  // namespace assay
