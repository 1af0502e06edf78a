// Where each element type's kernels of wgmma_forward.cuh are found: a file of its own, so that they compile side
// by side.
#pragma once
#include "kernels/attention/sm90/wgmma_forward_params.h"
#include "kernels/common/cuda_launch.h"

namespace assay {

using WgmmaSm90ForwardPlan = LaunchPlan<WgmmaSm90ForwardParams>;
using WgmmaSm90ForwardKernel = void (*)(WgmmaSm90ForwardParams);

WgmmaSm90ForwardKernel find_wgmma_forward_bf16_sm90(const WgmmaSm90ForwardPlan&);
WgmmaSm90ForwardKernel find_wgmma_forward_f16_sm90(const WgmmaSm90ForwardPlan&);
WgmmaSm90ForwardKernel find_wgmma_forward_e4m3_sm90(const WgmmaSm90ForwardPlan&);

}  // namespace assay
