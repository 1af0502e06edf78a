// The workloads around a model's blocks: embedding, loss, optimizer, and the router of a mixture of experts.
#pragma once
#include "harness/workloads/workload.h"
#include "kernels/layer/adamw.h"
#include "kernels/layer/cross_entropy.h"
#include "kernels/layer/embedding.h"
#include "kernels/layer/grad_norm.h"
#include "kernels/layer/permute.h"
#include "kernels/layer/router.h"

namespace assay {

// Kernels must outlive what is returned.
WorkloadKind embedding_workload(const std::vector<EmbeddingKernel>&);
WorkloadKind cross_entropy_workload(const std::vector<CrossEntropyKernel>&);
WorkloadKind adamw_workload(const std::vector<AdamWKernel>&);
WorkloadKind grad_norm_workload(const std::vector<GradNormKernel>&);
WorkloadKind router_workload(const std::vector<RouterKernel>&);
WorkloadKind permute_workload(const std::vector<PermuteKernel>&);

}  // namespace assay
