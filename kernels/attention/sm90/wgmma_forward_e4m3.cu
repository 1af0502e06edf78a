// Instances of wgmma_forward.cuh for e4m3.
#include "kernels/attention/sm90/wgmma_forward.cuh"
#include "kernels/attention/sm90/wgmma_forward_kernels.h"

namespace assay {

#define ASSAY_KERNEL(head_dim, value_dim)                                                                      \
  extern "C" __global__ void __launch_bounds__(sm90_attention::kThreads, 1)                                    \
      attention_wgmma_sm90_e4m3_d##head_dim##_v##value_dim(const __grid_constant__ WgmmaSm90ForwardParams p) { \
    sm90_attention::forward<sm90_attention::ForwardInstance<sm90_attention::E4m3, head_dim, value_dim>>(p);    \
  }
ASSAY_WGMMA_SM90_FORWARD_E4M3_INSTANCES(ASSAY_KERNEL)

WgmmaSm90ForwardKernel find_wgmma_forward_e4m3_sm90(const WgmmaSm90ForwardPlan& plan) {
#define ASSAY_ROW(head_dim, value_dim) \
  {ASSAY_WGMMA_SM90_FORWARD_NAME(e4m3, head_dim, value_dim), attention_wgmma_sm90_e4m3_d##head_dim##_v##value_dim},
  static const NamedKernel<WgmmaSm90ForwardParams> kernels[] = {ASSAY_WGMMA_SM90_FORWARD_E4M3_INSTANCES(ASSAY_ROW)};
  return find_kernel(kernels, plan);
}

}  // namespace assay
