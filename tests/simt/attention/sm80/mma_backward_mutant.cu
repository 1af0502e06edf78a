// One instantiation of each kernel, so that a planted bug compiles quickly.
#include "kernels/attention/sm80/mma_backward.cuh"
#include "kernels/attention/sm80/mma_backward_dq.cuh"
#include "kernels/attention/sm80/mma_backward_rows.cuh"

namespace assay {

extern "C" __global__ void __launch_bounds__(MmaSm80BackwardRows<128>::kPrepareThreads)
    attention_mma_sm80_backward_prepare_bf16_d128(const AttentionBackwardSm80Params params) {
  mma_sm80_backward::prepare<swizzled::Bf16, MmaSm80BackwardRows<128>>(params);
}
extern "C" __global__ void __launch_bounds__(MmaSm80BackwardTile<128>::kThreads)
    attention_mma_sm80_backward_bf16_d128(const AttentionBackwardSm80Params params) {
  mma_sm80_backward::backward<swizzled::Bf16, MmaSm80BackwardTile<128>>(params);
}
extern "C" __global__ void __launch_bounds__(MmaSm80BackwardRows<128>::kConvertThreads)
    attention_mma_sm80_backward_convert_bf16_d128(const AttentionBackwardSm80Params params) {
  mma_sm80_backward::convert<swizzled::Bf16, MmaSm80BackwardRows<128>>(params);
}
extern "C" __global__ void __launch_bounds__(MmaSm80DqTile<128>::kThreads, 2)
    attention_mma_sm80_backward_dq_bf16_d128(const AttentionBackwardSm80Params params) {
  mma_sm80_backward::backward_dq<swizzled::Bf16, MmaSm80DqTile<128>>(params);
}

}  // namespace assay
