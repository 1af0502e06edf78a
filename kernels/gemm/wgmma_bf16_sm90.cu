// Instances of wgmma_sm90.cuh for bf16.
#include "kernels/gemm/wgmma_sm90.cuh"
#include "kernels/gemm/wgmma_sm90_instances.h"
#include "kernels/gemm/wgmma_sm90_kernels.h"

namespace assay {
namespace {

const NamedKernel<WgmmaSm90Params<DenseSchedule>> kKernels[] = {
    ASSAY_WGMMA_SM90_LAYOUTS(ASSAY_WGMMA_SM90_KERNEL, bf16, Bf16)};

}  // namespace

WgmmaSm90Kernel find_wgmma_bf16_sm90(const WgmmaSm90Plan& plan) { return find_kernel(kKernels, plan); }

}  // namespace assay
