// The CUDA rows of the layer operations' kernel tables, one function a row, each defined beside its kernels.
#pragma once
#include "kernels/layer/adamw.h"
#include "kernels/layer/columns.h"
#include "kernels/layer/cross_entropy.h"
#include "kernels/layer/embedding.h"
#include "kernels/layer/gelu.h"
#include "kernels/layer/grad_norm.h"
#include "kernels/layer/layer_norm.h"
#include "kernels/layer/permute.h"
#include "kernels/layer/residual_add.h"
#include "kernels/layer/rms_norm.h"
#include "kernels/layer/rope.h"
#include "kernels/layer/router.h"
#include "kernels/layer/swiglu.h"

namespace assay {

RmsNormKernel rms_norm_cuda();
LayerNormKernel layer_norm_cuda();
SwigluKernel swiglu_cuda();
GeluKernel gelu_cuda();
ResidualAddKernel residual_add_cuda();
RopeKernel rope_cuda();
CrossEntropyKernel cross_entropy_cuda();
AdamWKernel adamw_cuda();
GradNormKernel grad_norm_cuda();
EmbeddingKernel embedding_cuda();
RouterKernel router_cuda();
PermuteKernel permute_cuda();
ColumnsKernel columns_cuda();

}  // namespace assay
