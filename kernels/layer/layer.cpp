// The tables of the layer's kernels in this build.
#include "kernels/layer/cpu_kernels.h"
#include "kernels/layer/cuda_row_if_built.h"

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

}  // namespace assay
