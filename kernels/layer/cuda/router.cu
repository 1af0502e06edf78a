// Compiled instances of the router, and its row in the table.
#include "kernels/layer/cuda/router.cuh"

#include "kernels/layer/cuda/kernel_row.h"
#include "kernels/layer/cuda/kernels.h"

namespace assay {
namespace {
using namespace layer_cuda;

#define ASSAY_INSTANCE(Kernel, Element, PerLane) \
  { #Kernel "<assay::layer_cuda::" #Element ", " #PerLane ">", Kernel < Element, PerLane> }
#define ASSAY_INSTANCES(Kernel, Element)                                                                      \
  ASSAY_INSTANCE(Kernel, Element, 1), ASSAY_INSTANCE(Kernel, Element, 2), ASSAY_INSTANCE(Kernel, Element, 4), \
      ASSAY_INSTANCE(Kernel, Element, 8), ASSAY_INSTANCE(Kernel, Element, 32)

const NamedKernel<RouterParams> kInstances[] = {
    ASSAY_INSTANCES(router_forward, Bf16),
    ASSAY_INSTANCES(router_forward, F32),
    ASSAY_INSTANCES(router_backward, Bf16),
    ASSAY_INSTANCES(router_backward, F32),
};

}  // namespace

RouterKernel router_cuda() {
  CudaLayerKernel<RouterProblem, RouterBuffers, RouterParams> kernel;
  kernel.plans = [](const RouterProblem& problem, const RouterBuffers& buffers, void*, const Target&) {
    return router_plans(problem, buffers);
  };
  kernel.instances = {std::begin(kInstances), std::end(kInstances)};
  return cuda_layer_row<RouterProblem, RouterBuffers, RouterParams>(
      kernel, [](const RouterProblem& problem, const Target&) { return supports_router_cuda(problem); });
}

}  // namespace assay
