// Compiled instances of the embedding, and its row in the table.
#include "kernels/layer/cuda/embedding.cuh"

#include "kernels/layer/cuda/kernel_row.h"
#include "kernels/layer/cuda/kernels.h"

namespace assay {
namespace {
using namespace layer_cuda;

const NamedKernel<EmbeddingParams> kInstances[] = {
    {"embedding_gather<uint4>", embedding_gather<uint4>},
    {"embedding_gather<unsigned int>", embedding_gather<std::uint32_t>},
    {"embedding_gather<unsigned short>", embedding_gather<std::uint16_t>},
    {"embedding_reset", embedding_reset},
    {"embedding_count", embedding_count},
    {"embedding_rows", embedding_rows},
    {"embedding_order", embedding_order},
    {"embedding_add<assay::layer_cuda::Bf16, 4>", embedding_add<Bf16, 4>},
    {"embedding_add<assay::layer_cuda::F32, 4>", embedding_add<F32, 4>},
    {"embedding_add<assay::layer_cuda::Bf16, 1>", embedding_add<Bf16, 1>},
    {"embedding_add<assay::layer_cuda::F32, 1>", embedding_add<F32, 1>},
};

}  // namespace

EmbeddingKernel embedding_cuda() {
  CudaLayerKernel<EmbeddingProblem, EmbeddingBuffers, EmbeddingParams> kernel;
  kernel.workspace_bytes = [](const EmbeddingProblem& problem, const Target&) {
    return embedding_workspace_bytes(problem);
  };
  kernel.plans = [](const EmbeddingProblem& problem, const EmbeddingBuffers& buffers, void* workspace,
                    const Target& target) { return embedding_plans(problem, buffers, workspace, target); };
  kernel.instances = {std::begin(kInstances), std::end(kInstances)};
  return cuda_layer_row<EmbeddingProblem, EmbeddingBuffers, EmbeddingParams>(
      kernel, [](const EmbeddingProblem& problem, const Target&) { return supports_embedding_cuda(problem); });
}

}  // namespace assay
