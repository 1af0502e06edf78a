// The tables of what surrounds a model's blocks in this build: embedding, loss, optimizer, and the experts' router.
#include "kernels/layer/cpu_token_kernels.h"
#include "kernels/layer/cuda_row_if_built.h"

namespace assay {

const std::vector<EmbeddingKernel>& embedding_kernels() {
  static const std::vector<EmbeddingKernel> kernels{cpu_embedding() ASSAY_CUDA_ROW(embedding_cuda())};
  return kernels;
}

const std::vector<CrossEntropyKernel>& cross_entropy_kernels() {
  static const std::vector<CrossEntropyKernel> kernels{cpu_cross_entropy() ASSAY_CUDA_ROW(cross_entropy_cuda())};
  return kernels;
}

const std::vector<AdamWKernel>& adamw_kernels() {
  static const std::vector<AdamWKernel> kernels{cpu_adamw() ASSAY_CUDA_ROW(adamw_cuda())};
  return kernels;
}

const std::vector<GradNormKernel>& grad_norm_kernels() {
  static const std::vector<GradNormKernel> kernels{cpu_grad_norm() ASSAY_CUDA_ROW(grad_norm_cuda())};
  return kernels;
}

const std::vector<RouterKernel>& router_kernels() {
  static const std::vector<RouterKernel> kernels{cpu_router() ASSAY_CUDA_ROW(router_cuda())};
  return kernels;
}

const std::vector<PermuteKernel>& permute_kernels() {
  static const std::vector<PermuteKernel> kernels{cpu_permute() ASSAY_CUDA_ROW(permute_cuda())};
  return kernels;
}

const std::vector<ColumnsKernel>& columns_kernels() {
  static const std::vector<ColumnsKernel> kernels{cpu_columns() ASSAY_CUDA_ROW(columns_cuda())};
  return kernels;
}

}  // namespace assay
