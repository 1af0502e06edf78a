// Instances of wgmma_backward.cuh and of the kernels before and after it.
#include "kernels/attention/sm90/wgmma_backward.cuh"

#include "kernels/attention/sm90/wgmma_backward_kernels.h"
#include "kernels/common/cuda_launch.h"

namespace assay {
namespace {

constexpr int kRowThreads = wgmma_sm90_backward::kRowThreads;

}  // namespace

// Plain names: what the launch plan says is what profilers show and what the functional GPU looks up.
#define ASSAY_BACKWARD(suffix, Element, ...)                                                                     \
  extern "C" __global__ void __launch_bounds__(kRowThreads)                                                      \
      attention_wgmma_sm90_backward_before_##suffix(const __grid_constant__ WgmmaSm90BackwardParams params) {    \
    wgmma_sm90_backward::prepare_rows<wgmma_sm90_backward::Element, WgmmaSm90BackwardTile<__VA_ARGS__>>(params); \
  }                                                                                                              \
  extern "C" __global__ void __launch_bounds__(WgmmaSm90BackwardTile<__VA_ARGS__>::kThreads, 1)                  \
      attention_wgmma_sm90_backward_##suffix(const __grid_constant__ WgmmaSm90BackwardParams params) {           \
    wgmma_sm90_backward::backward<wgmma_sm90_backward::Element, WgmmaSm90BackwardTile<__VA_ARGS__>>(params);     \
  }                                                                                                              \
  extern "C" __global__ void __launch_bounds__(128 * WgmmaSm90BackwardTile<__VA_ARGS__>::kDqBlocks)              \
      attention_wgmma_sm90_backward_after_##suffix(const __grid_constant__ WgmmaSm90BackwardParams params) {     \
    wgmma_sm90_backward::finish_dq<wgmma_sm90_backward::Element, WgmmaSm90BackwardTile<__VA_ARGS__>>(params);    \
  }
ASSAY_BACKWARD(bf16_d64, Bf16, 64)
ASSAY_BACKWARD(bf16_d128, Bf16, 128)
ASSAY_BACKWARD(bf16_d192_v128, Bf16, 192, 128)
ASSAY_BACKWARD(bf16_d256, Bf16, 256)
ASSAY_BACKWARD(f16_d64, F16, 64)
ASSAY_BACKWARD(f16_d128, F16, 128)
ASSAY_BACKWARD(f16_d192_v128, F16, 192, 128)
ASSAY_BACKWARD(f16_d256, F16, 256)
#undef ASSAY_BACKWARD

namespace {

#define ASSAY_ROWS(instance)                                                                            \
  {"attention_wgmma_sm90_backward_before_" #instance, attention_wgmma_sm90_backward_before_##instance}, \
      {"attention_wgmma_sm90_backward_" #instance, attention_wgmma_sm90_backward_##instance},           \
      {"attention_wgmma_sm90_backward_after_" #instance, attention_wgmma_sm90_backward_after_##instance},
const NamedKernel<WgmmaSm90BackwardParams> kKernels[] = {
    ASSAY_ROWS(bf16_d64) ASSAY_ROWS(bf16_d128) ASSAY_ROWS(bf16_d192_v128) ASSAY_ROWS(bf16_d256)  //
    ASSAY_ROWS(f16_d64) ASSAY_ROWS(f16_d128) ASSAY_ROWS(f16_d192_v128) ASSAY_ROWS(f16_d256)};
#undef ASSAY_ROWS

}  // namespace

WgmmaSm90BackwardKernel find_wgmma_sm90_backward(const LaunchPlan<WgmmaSm90BackwardParams>& plan) {
  return find_kernel(kKernels, plan);
}

}  // namespace assay
