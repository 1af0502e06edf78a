// Compiled instances of the gradient norm, and its row in the table.
#include "kernels/layer/cuda/grad_norm.cuh"

#include "kernels/layer/cuda/kernel_row.h"
#include "kernels/layer/cuda/kernels.h"

namespace assay {
namespace {

const NamedKernel<GradNormParams> kInstances[] = {
    {"grad_norm_partials<assay::layer_cuda::Bf16>", layer_cuda::grad_norm_partials<layer_cuda::Bf16>},
    {"grad_norm_partials<assay::layer_cuda::F32>", layer_cuda::grad_norm_partials<layer_cuda::F32>},
    {"grad_norm_result", layer_cuda::grad_norm_result},
};

}  // namespace

GradNormKernel grad_norm_cuda() {
  CudaLayerKernel<GradNormProblem, GradNormBuffers, GradNormParams> kernel;
  kernel.workspace_bytes = [](const GradNormProblem& problem, const Target&) {
    return grad_norm_workspace_bytes(problem);
  };
  kernel.contents = grad_norm_tables;
  kernel.plans = [](const GradNormProblem& problem, const GradNormBuffers& buffers, void* workspace, const Target&) {
    return grad_norm_plans(problem, buffers, workspace);
  };
  kernel.instances = {std::begin(kInstances), std::end(kInstances)};
  return cuda_layer_row<GradNormProblem, GradNormBuffers, GradNormParams>(
      kernel, [](const GradNormProblem& problem, const Target&) { return supports_grad_norm_cuda(problem); });
}

}  // namespace assay
