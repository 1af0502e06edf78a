// Compiled instances of the norms, and their rows in the tables of RMSNorm and LayerNorm kernels.
#include "kernels/layer/cuda_kernel_row.h"
#include "kernels/layer/cuda_kernels.h"
#include "kernels/layer/norm_backward_cuda.cuh"
#include "kernels/layer/norm_forward_cuda.cuh"

namespace assay {
namespace {
using namespace layer_cuda;

#define ASSAY_NORM_ANY(Kernel, Element, Mean) \
  {#Kernel "<assay::layer_cuda::" #Element ", " #Mean ">", Kernel<Element, Mean>},
#define ASSAY_NORM_ANY_INSTANCES(Kernel)                                       \
  ASSAY_NORM_ANY(Kernel, Bf16, false) ASSAY_NORM_ANY(Kernel, Bf16, true)       \
  ASSAY_NORM_ANY(Kernel, F32, false) ASSAY_NORM_ANY(Kernel, F32, true)

const NamedKernel<NormParams> kInstances[] = {
#define ROW(E, V, T, M, R) {ASSAY_NORM_FORWARD_NAME(E, V, T, M, R), norm_forward<E, V, T, M, R>},
    ASSAY_NORM_FORWARD_INSTANCES(ROW)
#undef ROW
#define ROW(E, V, T, M, R) {ASSAY_NORM_BACKWARD_NAME(E, V, T, M), norm_backward<E, V, T, M>},
    ASSAY_NORM_BACKWARD_INSTANCES(ROW)
#undef ROW
    ASSAY_NORM_ANY_INSTANCES(norm_forward_any) ASSAY_NORM_ANY_INSTANCES(norm_backward_any)
    ASSAY_NORM_ANY_INSTANCES(norm_backward_partials_any) {"norm_backward_sum", norm_backward_sum},
};

template <class Problem, class Buffers>
Kernel<Problem, Buffers> norm_row() {
  CudaLayerKernel<Problem, Buffers, NormParams> kernel;
  kernel.workspace_bytes = [](const Problem& problem, const Target& target) {
    return norm_workspace_floats(norm_launch_of(problem), target) * std::int64_t(sizeof(float));
  };
  kernel.plans = [](const Problem& problem, const Buffers& buffers, void* workspace, const Target& target) {
    return norm_plans(problem, buffers, static_cast<float*>(workspace), target);
  };
  kernel.instances = {std::begin(kInstances), std::end(kInstances)};
  return cuda_layer_row<Problem, Buffers, NormParams>(kernel, [](const Problem& problem, const Target&) {
    return problem.hidden > INT32_MAX / 2 ? Support::no("rows of more than 2^30 elements") : Support::yes();
  });
}

}  // namespace

RmsNormKernel rms_norm_cuda() { return norm_row<RmsNormProblem, RmsNormBuffers>(); }
LayerNormKernel layer_norm_cuda() { return norm_row<LayerNormProblem, LayerNormBuffers>(); }

}  // namespace assay
