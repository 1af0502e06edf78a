// The tables of the norms' compiled instances, which two files make so that they compile side by side.  C++17.
#pragma once
#include <iterator>
#include <vector>

#include "kernels/common/cuda_launch.h"
#include "kernels/layer/cuda/norm.h"

#define ASSAY_NORM_ANY(Kernel, Element, Mean) \
  {#Kernel "<assay::layer_cuda::" #Element ", " #Mean ">", Kernel<Element, Mean>},
#define ASSAY_NORM_ANY_INSTANCES(Kernel) \
  ASSAY_NORM_ANY(Kernel, Bf16, false)    \
  ASSAY_NORM_ANY(Kernel, Bf16, true) ASSAY_NORM_ANY(Kernel, F32, false) ASSAY_NORM_ANY(Kernel, F32, true)

namespace assay {

void append_norm_forward_kernels(std::vector<NamedKernel<NormParams>>&);
void append_norm_backward_kernels(std::vector<NamedKernel<NormParams>>&);

}  // namespace assay
