// The compiled kernels of tcgen05_sm100, by the name that a plan holds.  C++17.
#pragma once
#include "kernels/common/launch_plan.h"
#include "kernels/gemm/sm100/tcgen05_params.h"

namespace assay {

using Tcgen05Function = void (*)(Tcgen05Sm100Params);

Tcgen05Function tcgen05_scaled_kernel(const LaunchPlan<Tcgen05Sm100Params>&);  // MXFP8, NVFP4

}  // namespace assay
