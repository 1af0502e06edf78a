// The widths with rows and buffers of their own, so that a planted bug compiles quickly.
#include "kernels/attention/sm80/mma_backward.cuh"
#include "kernels/attention/sm80/mma_backward_dq.cuh"
#include "kernels/attention/sm80/mma_backward_rows.cuh"

namespace assay {

#define ASSAY_BACKWARD_KERNELS(dim)                                                               \
  extern "C" __global__ void __launch_bounds__(MmaSm80BackwardRows<dim>::kPrepareThreads)         \
      attention_mma_sm80_backward_prepare_bf16_d##dim(const AttentionBackwardSm80Params params) { \
    mma_sm80_backward::prepare<swizzled::Bf16, MmaSm80BackwardRows<dim>>(params);                 \
  }                                                                                               \
  extern "C" __global__ void __launch_bounds__(MmaSm80BackwardTile<dim>::kThreads)                \
      attention_mma_sm80_backward_bf16_d##dim(const AttentionBackwardSm80Params params) {         \
    mma_sm80_backward::backward<swizzled::Bf16, MmaSm80BackwardTile<dim>>(params);                \
  }                                                                                               \
  extern "C" __global__ void __launch_bounds__(MmaSm80BackwardRows<dim>::kConvertThreads)         \
      attention_mma_sm80_backward_convert_bf16_d##dim(const AttentionBackwardSm80Params params) { \
    mma_sm80_backward::convert<swizzled::Bf16, MmaSm80BackwardRows<dim>>(params);                 \
  }                                                                                               \
  extern "C" __global__ void __launch_bounds__(MmaSm80DqTile<dim>::kThreads, 2)                   \
      attention_mma_sm80_backward_dq_bf16_d##dim(const AttentionBackwardSm80Params params) {      \
    mma_sm80_backward::backward_dq<swizzled::Bf16, MmaSm80DqTile<dim>>(params);                   \
  }
ASSAY_BACKWARD_KERNELS(96)
ASSAY_BACKWARD_KERNELS(256)

}  // namespace assay
