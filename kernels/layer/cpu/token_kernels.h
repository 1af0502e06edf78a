// The CPU rows of the tables of what surrounds a model's blocks: embedding, loss, optimizer, and the experts' router.
#pragma once
#include "kernels/layer/adamw.h"
#include "kernels/layer/columns.h"
#include "kernels/layer/cross_entropy.h"
#include "kernels/layer/embedding.h"
#include "kernels/layer/grad_norm.h"
#include "kernels/layer/permute.h"
#include "kernels/layer/router.h"

namespace assay {

EmbeddingKernel cpu_embedding();
CrossEntropyKernel cpu_cross_entropy();
AdamWKernel cpu_adamw();
GradNormKernel cpu_grad_norm();
RouterKernel cpu_router();
PermuteKernel cpu_permute();
ColumnsKernel cpu_columns();

}  // namespace assay
