// Compiled instances of the fused cross-entropy, and its row in the table.
#include "kernels/layer/cuda/cross_entropy.cuh"

#include "kernels/layer/cuda/kernel_row.h"
#include "kernels/layer/cuda/kernels.h"

namespace assay {
namespace {
using namespace layer_cuda;

const NamedKernel<CrossEntropyParams> kInstances[] = {
    {"cross_entropy<assay::layer_cuda::Bf16, true>", cross_entropy<Bf16, true>},
    {"cross_entropy<assay::layer_cuda::Bf16, false>", cross_entropy<Bf16, false>},
    {"cross_entropy<assay::layer_cuda::F32, true>", cross_entropy<F32, true>},
    {"cross_entropy<assay::layer_cuda::F32, false>", cross_entropy<F32, false>},
};

}  // namespace

CrossEntropyKernel cross_entropy_cuda() {
  CudaLayerKernel<CrossEntropyProblem, CrossEntropyBuffers, CrossEntropyParams> kernel;
  kernel.plans = [](const CrossEntropyProblem& problem, const CrossEntropyBuffers& buffers, void*,
                    const Target& target) { return cross_entropy_plans(problem, buffers, target); };
  kernel.instances = {std::begin(kInstances), std::end(kInstances)};
  return cuda_layer_row<CrossEntropyProblem, CrossEntropyBuffers, CrossEntropyParams>(kernel, nullptr);
}

}  // namespace assay
