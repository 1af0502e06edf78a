// Compiled instances of simt_f32.cuh, and their row in the table of kernels.
#include "kernels/gemm/cuda/simt_f32.cuh"

#include "kernels/common/cuda_launch.h"
#include "kernels/gemm/cuda/kernel_rows.h"

namespace assay {
namespace {

// The names are those of kSimtF32Instances.
const NamedKernel<GemmKernelParams> kKernels[] = {
    {"simt_f32<true, true, false, true>", simt_f32<true, true, false, true>},
    {"simt_f32<true, false, false, true>", simt_f32<true, false, false, true>},
    {"simt_f32<false, false, true, true>", simt_f32<false, false, true, true>},
    {"simt_f32<true, true, false, false>", simt_f32<true, true, false, false>},
    {"simt_f32<true, false, false, false>", simt_f32<true, false, false, false>},
    {"simt_f32<false, false, true, false>", simt_f32<false, false, true, false>},
};

void launch(const GemmProblem& problem, const GemmBuffers& buffers, const Target& target, Stream stream) {
  const auto plan = plan_simt_f32(problem, buffers, target);
  launch_kernel(find_kernel(kKernels, plan), plan, stream);
}

}  // namespace

GemmKernel simt_f32_row() {
  GemmKernel row;
  row.name = "simt_f32";
  row.device = Device::gpu;
  row.dtypes = {DType::f32};
  row.supports = supports_simt_f32;
  row.prepare = stateless<GemmProblem, GemmBuffers>(launch);
  return row;
}

}  // namespace assay
