// Where the compiled kernel that a launch plan names is found.
#pragma once
#include "kernels/common/cuda_launch.h"
#include "kernels/gemm/sm90/wgmma_fp8_params.h"

namespace assay {

using WgmmaFp8Sm90Kernel = void (*)(WgmmaFp8Sm90Params);

WgmmaFp8Sm90Kernel find_wgmma_fp8_sm90(const LaunchPlan<WgmmaFp8Sm90Params>&);

}  // namespace assay
