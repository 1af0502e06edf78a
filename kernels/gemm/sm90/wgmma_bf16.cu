// Instances of wgmma.cuh for bf16.
#include "kernels/gemm/sm90/wgmma.cuh"
#include "kernels/gemm/sm90/wgmma_instances.h"
#include "kernels/gemm/sm90/wgmma_kernels.h"

namespace assay {
namespace {

const NamedKernel<WgmmaSm90Params<DenseSchedule>> kKernels[] = {
    ASSAY_WGMMA_SM90_LAYOUTS(ASSAY_WGMMA_SM90_KERNEL, bf16, Bf16)};

}  // namespace

WgmmaSm90Kernel find_wgmma_bf16_sm90(const WgmmaSm90Plan& plan) { return find_kernel(kKernels, plan); }

}  // namespace assay
