// Compiled instances of bringing tokens to experts and back, and their row in the table.
#include "kernels/layer/cuda/permute.cuh"

#include "kernels/layer/cuda/kernel_row.h"
#include "kernels/layer/cuda/kernels.h"

namespace assay {
namespace {
using namespace layer_cuda;

#define ASSAY_SUM(Access, Element, Weighted, AtOnce)                                                            \
  {                                                                                                             \
    "permute_sum<assay::layer_cuda::" #Access "<assay::layer_cuda::" #Element ">, " #Weighted ", " #AtOnce ">", \
        permute_sum<Access<Element>, Weighted, AtOnce>                                                          \
  }
#define ASSAY_MOVES(Access, Element)                                                                                  \
  {"permute_rows<assay::layer_cuda::" #Access "<assay::layer_cuda::" #Element "> >", permute_rows<Access<Element>>},  \
      ASSAY_SUM(Access, Element, true, 8), ASSAY_SUM(Access, Element, false, 8), ASSAY_SUM(Access, Element, true, 2), \
      ASSAY_SUM(Access, Element, false, 2), {                                                                         \
    "unpermute_backward<assay::layer_cuda::" #Access "<assay::layer_cuda::" #Element "> >",                           \
        unpermute_backward<Access<Element>>                                                                           \
  }

const NamedKernel<PermuteParams> kInstances[] = {
    {"permute_count", permute_count}, {"permute_before", permute_before}, {"permute_place", permute_place},
    ASSAY_MOVES(OneVector, Bf16),     ASSAY_MOVES(OneVector, F32),        ASSAY_MOVES(OneElement, Bf16),
    ASSAY_MOVES(OneElement, F32),
};

}  // namespace

PermuteKernel permute_cuda() {
  CudaLayerKernel<PermuteProblem, PermuteBuffers, PermuteParams> kernel;
  kernel.workspace_bytes = [](const PermuteProblem& problem, const Target&) {
    return permute_workspace_bytes(problem);
  };
  kernel.plans = [](const PermuteProblem& problem, const PermuteBuffers& buffers, void* workspace, const Target&) {
    return permute_plans(problem, buffers, workspace);
  };
  kernel.instances = {std::begin(kInstances), std::end(kInstances)};
  return cuda_layer_row<PermuteProblem, PermuteBuffers, PermuteParams>(
      kernel, [](const PermuteProblem& problem, const Target&) { return supports_permute_cuda(problem); });
}

}  // namespace assay
