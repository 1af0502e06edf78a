#include "kernels/attention/sm80/mma_backward.cuh"

#include "kernels/attention/sm80/mma_backward.h"
#include "kernels/attention/sm80/mma_backward_dq.cuh"
#include "kernels/attention/sm80/mma_backward_rows.cuh"
#include "kernels/common/cuda_launch.h"

namespace assay {

// Plain names: what the launch plan says is what profilers show and what the functional GPU looks up.  Two blocks of dq
// fit an SM's shared memory where head_dim is 64 to 128; told so, ptxas does not spill to make room for a third.
#define ASSAY_BACKWARD_KERNELS(suffix, Element, head_dim, value_dim)                                      \
  extern "C" __global__ void __launch_bounds__(MmaSm80BackwardRows<head_dim, value_dim>::kPrepareThreads) \
      attention_mma_sm80_backward_prepare_##suffix(const AttentionBackwardSm80Params p) {                 \
    mma_sm80_backward::prepare<swizzled::Element, MmaSm80BackwardRows<head_dim, value_dim>>(p);           \
  }                                                                                                       \
  extern "C" __global__ void __launch_bounds__(MmaSm80BackwardTile<head_dim, value_dim>::kThreads)        \
      attention_mma_sm80_backward_##suffix(const AttentionBackwardSm80Params p) {                         \
    mma_sm80_backward::backward<swizzled::Element, MmaSm80BackwardTile<head_dim, value_dim>>(p);          \
  }                                                                                                       \
  extern "C" __global__ void __launch_bounds__(MmaSm80BackwardRows<head_dim, value_dim>::kConvertThreads) \
      attention_mma_sm80_backward_convert_##suffix(const AttentionBackwardSm80Params p) {                 \
    mma_sm80_backward::convert<swizzled::Element, MmaSm80BackwardRows<head_dim, value_dim>>(p);           \
  }                                                                                                       \
  extern "C" __global__ void __launch_bounds__(MmaSm80DqTile<head_dim, value_dim>::kThreads, 2)           \
      attention_mma_sm80_backward_dq_##suffix(const AttentionBackwardSm80Params p) {                      \
    mma_sm80_backward::backward_dq<swizzled::Element, MmaSm80DqTile<head_dim, value_dim>>(p);             \
  }

ASSAY_BACKWARD_KERNELS(bf16_d64, Bf16, 64, 64)
ASSAY_BACKWARD_KERNELS(bf16_d96, Bf16, 96, 96)
ASSAY_BACKWARD_KERNELS(bf16_d128, Bf16, 128, 128)
ASSAY_BACKWARD_KERNELS(bf16_d192_v128, Bf16, 192, 128)
ASSAY_BACKWARD_KERNELS(bf16_d256, Bf16, 256, 256)
ASSAY_BACKWARD_KERNELS(f16_d64, F16, 64, 64)
ASSAY_BACKWARD_KERNELS(f16_d96, F16, 96, 96)
ASSAY_BACKWARD_KERNELS(f16_d128, F16, 128, 128)
ASSAY_BACKWARD_KERNELS(f16_d192_v128, F16, 192, 128)
ASSAY_BACKWARD_KERNELS(f16_d256, F16, 256, 256)

namespace {

#define ASSAY_BACKWARD_ROWS(suffix)                                                                     \
  {"attention_mma_sm80_backward_prepare_" #suffix, attention_mma_sm80_backward_prepare_##suffix},       \
      {"attention_mma_sm80_backward_" #suffix, attention_mma_sm80_backward_##suffix},                   \
      {"attention_mma_sm80_backward_convert_" #suffix, attention_mma_sm80_backward_convert_##suffix}, { \
    "attention_mma_sm80_backward_dq_" #suffix, attention_mma_sm80_backward_dq_##suffix                  \
  }

const NamedKernel<AttentionBackwardSm80Params> kKernels[] = {
    ASSAY_BACKWARD_ROWS(bf16_d64),       ASSAY_BACKWARD_ROWS(bf16_d96),  ASSAY_BACKWARD_ROWS(bf16_d128),
    ASSAY_BACKWARD_ROWS(bf16_d192_v128), ASSAY_BACKWARD_ROWS(bf16_d256), ASSAY_BACKWARD_ROWS(f16_d64),
    ASSAY_BACKWARD_ROWS(f16_d96),        ASSAY_BACKWARD_ROWS(f16_d128),  ASSAY_BACKWARD_ROWS(f16_d192_v128),
    ASSAY_BACKWARD_ROWS(f16_d256),
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
