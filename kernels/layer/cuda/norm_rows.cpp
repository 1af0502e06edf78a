// The norms' CUDA rows in the tables of RMSNorm and LayerNorm kernels.
#include "kernels/layer/cuda/kernel_row.h"
#include "kernels/layer/cuda/kernels.h"
#include "kernels/layer/cuda/norm.h"
#include "kernels/layer/cuda/norm_instances.h"

namespace assay {
namespace {

template <class Problem, class Buffers>
Kernel<Problem, Buffers> norm_row() {
  CudaLayerKernel<Problem, Buffers, NormParams> kernel;
  kernel.workspace_bytes = [](const Problem& problem, const Target& target) {
    return norm_workspace_floats(norm_launch_of(problem), target) * std::int64_t(sizeof(float));
  };
  kernel.plans = [](const Problem& problem, const Buffers& buffers, void* workspace, const Target& target) {
    return norm_plans(problem, buffers, static_cast<float*>(workspace), target);
  };
  append_norm_forward_kernels(kernel.instances);
  append_norm_backward_kernels(kernel.instances);
  return cuda_layer_row<Problem, Buffers, NormParams>(kernel, [](const Problem& problem, const Target&) {
    return problem.hidden > INT32_MAX / 2 ? Support::no("rows of more than 2^30 elements") : Support::yes();
  });
}

}  // namespace

RmsNormKernel rms_norm_cuda() { return norm_row<RmsNormProblem, RmsNormBuffers>(); }
LayerNormKernel layer_norm_cuda() { return norm_row<LayerNormProblem, LayerNormBuffers>(); }

}  // namespace assay
