// Compiled instances of wgmma_fp8.cuh.
#include "kernels/gemm/sm90/wgmma_fp8.cuh"

#include "kernels/gemm/sm90/wgmma_fp8_instances.h"
#include "kernels/gemm/sm90/wgmma_fp8_kernels.h"

namespace assay {
namespace {

#define ASSAY_ROW(dtype, Element, scaling, Scaling, n, stages) \
  {ASSAY_WGMMA_FP8_SM90_NAME(Element, Scaling, n, stages),     \
   sm90::wgmma_fp8_sm90<sm90::Scaling, sm90::Element, sm90::Tile<128, n, stages>>},
const NamedKernel<WgmmaFp8Sm90Params> kKernels[] = {ASSAY_WGMMA_FP8_SM90_INSTANCES(ASSAY_ROW)};
#undef ASSAY_ROW

}  // namespace

WgmmaFp8Sm90Kernel find_wgmma_fp8_sm90(const LaunchPlan<WgmmaFp8Sm90Params>& plan) {
  return find_kernel(kKernels, plan);
}

}  // namespace assay
