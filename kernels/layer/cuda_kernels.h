// The CUDA rows of the layer operations' kernel tables, one function a row, each defined beside its kernels.
#pragma once
#include "kernels/layer/layer_norm.h"
#include "kernels/layer/rms_norm.h"

namespace assay {

RmsNormKernel rms_norm_cuda();
LayerNormKernel layer_norm_cuda();

}  // namespace assay
