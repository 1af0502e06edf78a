// The tables of the layer's kernels in this build.
#include "kernels/layer/cpu/kernels.h"
#include "kernels/layer/cpu/token_kernels.h"
#include "kernels/layer/cuda/row_if_built.h"

namespace assay {

const std::vector<RmsNormKernel>& rms_norm_kernels() {
  static const std::vector<RmsNormKernel> kernels{cpu_vector_rms_norm() ASSAY_CUDA_ROW(rms_norm_cuda())};
  return kernels;
}

const std::vector<LayerNormKernel>& layer_norm_kernels() {
  static const std::vector<LayerNormKernel> kernels{cpu_vector_layer_norm() ASSAY_CUDA_ROW(layer_norm_cuda())};
  return kernels;
}

const std::vector<RopeKernel>& rope_kernels() {
  static const std::vector<RopeKernel> kernels{cpu_vector_rope() ASSAY_CUDA_ROW(rope_cuda())};
  return kernels;
}

const std::vector<SwigluKernel>& swiglu_kernels() {
  static const std::vector<SwigluKernel> kernels{cpu_vector_swiglu() ASSAY_CUDA_ROW(swiglu_cuda())};
  return kernels;
}

const std::vector<GeluKernel>& gelu_kernels() {
  static const std::vector<GeluKernel> kernels{cpu_vector_gelu() ASSAY_CUDA_ROW(gelu_cuda())};
  return kernels;
}

const std::vector<ResidualAddKernel>& residual_add_kernels() {
  static const std::vector<ResidualAddKernel> kernels{cpu_vector_residual_add() ASSAY_CUDA_ROW(residual_add_cuda())};
  return kernels;
}

// What surrounds a model's blocks: embedding, loss, optimizer, and the experts' router.

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
