// Compiled instances of tcgen05.cuh for block-scaled operands: MXFP8 and NVFP4.
#include "kernels/gemm/sm100/tcgen05.cuh"

#include "kernels/common/cuda_launch.h"
#include "kernels/gemm/sm100/tcgen05.h"
#include "kernels/gemm/sm100/tcgen05_kernels.h"

namespace assay {
namespace {

#define ASSAY_TCGEN05_ROW(kind, tile, output) \
  {ASSAY_TCGEN05_NAME(kind, tile, output), tcgen05_sm100<kind, tile, output>},
const NamedKernel<Tcgen05Sm100Params> kKernels[] = {ASSAY_TCGEN05_SCALED(ASSAY_TCGEN05_ROW)};
#undef ASSAY_TCGEN05_ROW

}  // namespace

Tcgen05Function tcgen05_scaled_kernel(const LaunchPlan<Tcgen05Sm100Params>& plan) {
  return find_kernel(kKernels, plan);
}

}  // namespace assay
