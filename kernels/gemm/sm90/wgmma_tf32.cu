// Instances of wgmma.cuh for tf32, of which wgmma reads one layout.
#include "kernels/gemm/sm90/wgmma.cuh"
#include "kernels/gemm/sm90/wgmma_instances.h"
#include "kernels/gemm/sm90/wgmma_kernels.h"

namespace assay {
namespace {

const NamedKernel<WgmmaSm90Params<DenseSchedule>> kKernels[] = {
    ASSAY_WGMMA_SM90_TILES(ASSAY_WGMMA_SM90_KERNEL, tf32, Tf32, tn, Tn)};

}  // namespace

WgmmaSm90Kernel find_wgmma_tf32_sm90(const WgmmaSm90Plan& plan) { return find_kernel(kKernels, plan); }

}  // namespace assay
