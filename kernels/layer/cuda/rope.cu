// Compiled instances of rotary position embedding, and its row in the table.
#include "kernels/layer/cuda/rope.cuh"

#include "kernels/layer/cuda/kernel_row.h"
#include "kernels/layer/cuda/kernels.h"

namespace assay {
namespace {

const NamedKernel<RopeParams> kInstances[] = {
    {"rope<assay::layer_cuda::Bf16>", layer_cuda::rope<layer_cuda::Bf16>},
    {"rope<assay::layer_cuda::F32>", layer_cuda::rope<layer_cuda::F32>},
    {"rope_any<assay::layer_cuda::Bf16>", layer_cuda::rope_any<layer_cuda::Bf16>},
    {"rope_any<assay::layer_cuda::F32>", layer_cuda::rope_any<layer_cuda::F32>},
};

}  // namespace

RopeKernel rope_cuda() {
  CudaLayerKernel<RopeProblem, RopeBuffers, RopeParams> kernel;
  kernel.plans = [](const RopeProblem& problem, const RopeBuffers& buffers, void*, const Target&) {
    return rope_plans(problem, buffers);
  };
  kernel.instances = {std::begin(kInstances), std::end(kInstances)};
  return cuda_layer_row<RopeProblem, RopeBuffers, RopeParams>(
      kernel, [](const RopeProblem& problem, const Target&) { return supports_rope_cuda(problem); });
}

}  // namespace assay
