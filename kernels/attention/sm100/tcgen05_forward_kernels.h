// Where each element type's kernels of tcgen05_forward.cuh are found: a file of its own, so that they compile
// side by side.
#pragma once
#include "kernels/attention/sm100/tcgen05_forward_params.h"
#include "kernels/common/cuda_launch.h"

namespace assay {

using Tcgen05Sm100ForwardPlan = LaunchPlan<Tcgen05Sm100ForwardParams>;
using Tcgen05Sm100ForwardKernel = void (*)(Tcgen05Sm100ForwardParams);

Tcgen05Sm100ForwardKernel find_tcgen05_forward_bf16_sm100(const Tcgen05Sm100ForwardPlan&);
Tcgen05Sm100ForwardKernel find_tcgen05_forward_f16_sm100(const Tcgen05Sm100ForwardPlan&);
Tcgen05Sm100ForwardKernel find_tcgen05_forward_e4m3_sm100(const Tcgen05Sm100ForwardPlan&);

}  // namespace assay
