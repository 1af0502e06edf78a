// Where the compiled kernels of wgmma_sm90's backward pass are found.
#pragma once
#include "kernels/attention/sm90/wgmma_backward_params.h"
#include "kernels/common/launch_plan.h"

namespace assay {

using WgmmaSm90BackwardKernel = void (*)(WgmmaSm90BackwardParams);

/// Throws std::runtime_error where this build has no kernel of the plan's name.
WgmmaSm90BackwardKernel find_wgmma_sm90_backward(const LaunchPlan<WgmmaSm90BackwardParams>&);

}  // namespace assay
