// Compiled instances of AdamW, and its row in the table.
#include "kernels/layer/cuda/adamw.cuh"

#include "kernels/layer/cuda/kernel_row.h"
#include "kernels/layer/cuda/kernels.h"

namespace assay {
namespace {
using namespace layer_cuda;

const NamedKernel<AdamWParams> kInstances[] = {
    {"adamw<assay::layer_cuda::F32, false>", adamw<F32, false>},
    {"adamw<assay::layer_cuda::F32, true>", adamw<F32, true>},
    {"adamw<assay::layer_cuda::Bf16, true>", adamw<Bf16, true>},
    {"adamw_any<assay::layer_cuda::F32, false>", adamw_any<F32, false>},
    {"adamw_any<assay::layer_cuda::F32, true>", adamw_any<F32, true>},
    {"adamw_any<assay::layer_cuda::Bf16, true>", adamw_any<Bf16, true>},
};

}  // namespace

AdamWKernel adamw_cuda() {
  CudaLayerKernel<AdamWProblem, AdamWBuffers, AdamWParams> kernel;
  kernel.plans = [](const AdamWProblem& problem, const AdamWBuffers& buffers, void*, const Target&) {
    return adamw_plans(problem, buffers);
  };
  kernel.instances = {std::begin(kInstances), std::end(kInstances)};
  return cuda_layer_row<AdamWProblem, AdamWBuffers, AdamWParams>(
      kernel, [](const AdamWProblem& problem, const Target&) { return supports_adamw_cuda(problem); });
}

}  // namespace assay
