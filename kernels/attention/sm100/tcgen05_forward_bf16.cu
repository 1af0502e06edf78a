// Instances of tcgen05_forward.cuh for bf16.
#include "kernels/attention/sm100/tcgen05_forward.cuh"
#include "kernels/attention/sm100/tcgen05_forward_kernels.h"

namespace assay {

#define ASSAY_KERNEL(head_dim, value_dim)                                                                            \
  extern "C" __global__ void __launch_bounds__(sm100_attention::kThreads, 1)                                         \
      attention_tcgen05_sm100_bf16_d##head_dim##_v##value_dim(const __grid_constant__ Tcgen05Sm100ForwardParams p) { \
    sm100_attention::forward<sm100_attention::ForwardInstance<sm100_attention::Bf16, head_dim, value_dim>>(p);       \
  }
ASSAY_TCGEN05_SM100_FORWARD_INSTANCES(ASSAY_KERNEL)

Tcgen05Sm100ForwardKernel find_tcgen05_forward_bf16_sm100(const Tcgen05Sm100ForwardPlan& plan) {
#define ASSAY_ROW(head_dim, value_dim)                          \
  {ASSAY_TCGEN05_SM100_FORWARD_NAME(bf16, head_dim, value_dim), \
   attention_tcgen05_sm100_bf16_d##head_dim##_v##value_dim},
  static const NamedKernel<Tcgen05Sm100ForwardParams> kernels[] = {ASSAY_TCGEN05_SM100_FORWARD_INSTANCES(ASSAY_ROW)};
  return find_kernel(kernels, plan);
}

}  // namespace assay
