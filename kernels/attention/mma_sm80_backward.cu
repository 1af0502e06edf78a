#include "kernels/attention/mma_sm80_backward.cuh"

#include "kernels/attention/mma_sm80_backward.h"
#include "kernels/attention/mma_sm80_backward_dq.cuh"
#include "kernels/attention/mma_sm80_backward_rows.cuh"
#include "kernels/common/cuda_launch.h"

namespace assay {

// Plain names: what the launch plan says is what profilers show and what the functional GPU looks up.
#define ASSAY_BACKWARD_KERNELS(type, Element, head_dim)                                               \
  extern "C" __global__ void __launch_bounds__(MmaSm80BackwardRows<head_dim>::kThreads)               \
      attention_mma_sm80_backward_prepare_##type##_d##head_dim(const AttentionBackwardSm80Params p) { \
    mma_sm80_backward::prepare<swizzled::Element, head_dim>(p);                                       \
  }                                                                                                   \
  extern "C" __global__ void __launch_bounds__(MmaSm80BackwardTile<head_dim>::kThreads)               \
      attention_mma_sm80_backward_##type##_d##head_dim(const AttentionBackwardSm80Params p) {         \
    mma_sm80_backward::backward<swizzled::Element, head_dim>(p);                                      \
  }                                                                                                   \
  extern "C" __global__ void __launch_bounds__(MmaSm80BackwardRows<head_dim>::kThreads)               \
      attention_mma_sm80_backward_convert_##type##_d##head_dim(const AttentionBackwardSm80Params p) { \
    mma_sm80_backward::convert<swizzled::Element, head_dim>(p);                                       \
  }                                                                                                   \
  extern "C" __global__ void __launch_bounds__(MmaSm80DqTile<head_dim>::kThreads, 2)                  \
      attention_mma_sm80_backward_dq_##type##_d##head_dim(const AttentionBackwardSm80Params p) {      \
    mma_sm80_backward::backward_dq<swizzled::Element, head_dim>(p);                                   \
  }

ASSAY_BACKWARD_KERNELS(bf16, Bf16, 64)
ASSAY_BACKWARD_KERNELS(bf16, Bf16, 128)
ASSAY_BACKWARD_KERNELS(f16, F16, 64)
ASSAY_BACKWARD_KERNELS(f16, F16, 128)

namespace {

#define ASSAY_BACKWARD_ROWS(suffix)                                                                     \
  {"attention_mma_sm80_backward_prepare_" #suffix, attention_mma_sm80_backward_prepare_##suffix},       \
      {"attention_mma_sm80_backward_" #suffix, attention_mma_sm80_backward_##suffix},                   \
      {"attention_mma_sm80_backward_convert_" #suffix, attention_mma_sm80_backward_convert_##suffix}, { \
    "attention_mma_sm80_backward_dq_" #suffix, attention_mma_sm80_backward_dq_##suffix                  \
  }

const NamedKernel<AttentionBackwardSm80Params> kKernels[] = {
    ASSAY_BACKWARD_ROWS(bf16_d64),
    ASSAY_BACKWARD_ROWS(bf16_d128),
    ASSAY_BACKWARD_ROWS(f16_d64),
    ASSAY_BACKWARD_ROWS(f16_d128),
};

}  // namespace

void prepare_attention_mma_sm80_backward(const std::vector<AttentionBackwardSm80Plan>& plans) {
  for (const AttentionBackwardSm80Plan& plan : plans)
    allow_shared_bytes(reinterpret_cast<const void*>(find_kernel(kKernels, plan)), plan.shared_bytes);
}

void launch_attention_mma_sm80_backward(const std::vector<AttentionBackwardSm80Plan>& plans, Stream stream) {
  for (const AttentionBackwardSm80Plan& plan : plans) launch_kernel(find_kernel(kKernels, plan), plan, stream);
}

}  // namespace assay
