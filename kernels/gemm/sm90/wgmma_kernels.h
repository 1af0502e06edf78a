// Where each element type's instances are found: a file of its own, so that they compile side by side.
#pragma once
#include "kernels/common/cuda_launch.h"
#include "kernels/gemm/sm90/wgmma_params.h"

namespace assay {

using WgmmaSm90Plan = LaunchPlan<WgmmaSm90Params<DenseSchedule>>;
using WgmmaSm90Kernel = void (*)(WgmmaSm90Params<DenseSchedule>);

WgmmaSm90Kernel find_wgmma_bf16_sm90(const WgmmaSm90Plan&);
WgmmaSm90Kernel find_wgmma_f16_sm90(const WgmmaSm90Plan&);
WgmmaSm90Kernel find_wgmma_tf32_sm90(const WgmmaSm90Plan&);

}  // namespace assay
