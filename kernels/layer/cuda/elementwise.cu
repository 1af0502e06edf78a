// Compiled instances of the elementwise kernels, and their rows in the tables of SwiGLU, GELU and addition.
#include "kernels/layer/cuda/elementwise.cuh"

#include "kernels/layer/cuda/kernel_row.h"
#include "kernels/layer/cuda/kernels.h"

namespace assay {
namespace {
using namespace layer_cuda;

#define ASSAY_VECTORS(Element, Operation, Apart)                                                   \
  {                                                                                                \
    "elementwise<assay::layer_cuda::" #Element ", assay::layer_cuda::" #Operation ", " #Apart ">", \
        elementwise<Element, Operation, Apart>                                                     \
  }
#define ASSAY_ANY(Element, Operation)                                                      \
  {                                                                                        \
    "elementwise_any<assay::layer_cuda::" #Element ", assay::layer_cuda::" #Operation ">", \
        elementwise_any<Element, Operation>                                                \
  }
#define ASSAY_OPERATION(Operation)                                                                         \
  ASSAY_VECTORS(Bf16, Operation, false), ASSAY_VECTORS(F32, Operation, false), ASSAY_ANY(Bf16, Operation), \
      ASSAY_ANY(F32, Operation)

const NamedKernel<ElementwiseParams> kInstances[] = {
    ASSAY_OPERATION(SwigluForward),
    ASSAY_OPERATION(SwigluBackward),
    ASSAY_OPERATION(GeluForward),
    ASSAY_OPERATION(GeluBackward),
    ASSAY_OPERATION(ResidualAdd),
    ASSAY_VECTORS(Bf16, SwigluForward, true),
    ASSAY_VECTORS(F32, SwigluForward, true),
    ASSAY_VECTORS(Bf16, SwigluBackward, true),
    ASSAY_VECTORS(F32, SwigluBackward, true),
};

template <class Problem, class Buffers>
Kernel<Problem, Buffers> elementwise_row(ElementwisePlans (*plans)(const Problem&, const Buffers&),
                                         Support (*supports)(const Problem&) = nullptr) {
  CudaLayerKernel<Problem, Buffers, ElementwiseParams> kernel;
  kernel.plans = [plans](const Problem& problem, const Buffers& buffers, void*, const Target&) {
    return plans(problem, buffers);
  };
  kernel.instances = {std::begin(kInstances), std::end(kInstances)};
  return cuda_layer_row<Problem, Buffers, ElementwiseParams>(kernel, [supports](const Problem& problem, const Target&) {
    return supports != nullptr ? supports(problem) : Support::yes();
  });
}

}  // namespace

SwigluKernel swiglu_cuda() { return elementwise_row<SwigluProblem, SwigluBuffers>(swiglu_plans, supports_swiglu_cuda); }
GeluKernel gelu_cuda() { return elementwise_row<GeluProblem, GeluBuffers>(gelu_plans); }
ResidualAddKernel residual_add_cuda() {
  return elementwise_row<ResidualAddProblem, ResidualAddBuffers>(residual_add_plans);
}

}  // namespace assay
