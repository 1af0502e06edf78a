// The tables of what surrounds a model's blocks in this build: embedding, loss, optimizer, and the experts' router.
#include "kernels/layer/cpu_token_kernels.h"

namespace assay {

const std::vector<EmbeddingKernel>& embedding_kernels() {
  static const std::vector<EmbeddingKernel> kernels{cpu_embedding()};
  return kernels;
}

const std::vector<CrossEntropyKernel>& cross_entropy_kernels() {
  static const std::vector<CrossEntropyKernel> kernels{cpu_cross_entropy()};
  return kernels;
}

const std::vector<AdamWKernel>& adamw_kernels() {
  static const std::vector<AdamWKernel> kernels{cpu_adamw()};
  return kernels;
}

const std::vector<GradNormKernel>& grad_norm_kernels() {
  static const std::vector<GradNormKernel> kernels{cpu_grad_norm()};
  return kernels;
}

const std::vector<RouterKernel>& router_kernels() {
  static const std::vector<RouterKernel> kernels{cpu_router()};
  return kernels;
}

const std::vector<PermuteKernel>& permute_kernels() {
  static const std::vector<PermuteKernel> kernels{cpu_permute()};
  return kernels;
}

}  // namespace assay
