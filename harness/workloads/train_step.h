// The train_step workload: a whole step of training a Llama-style model, on the ranks of a launcher or alone.
#pragma once
#include "harness/train/kernels.h"
#include "harness/workloads/workload.h"

namespace assay {

/// Axes: the model's sizes (or "model" of configs/models, at reduced `layers`), batch (sequences of all ranks
/// together), sequence, ranks, checkpointing and bucket_bytes.  A launch is one step on the next batch: forward,
/// backward, all-reduce of the gradients where there are several ranks (after backward, or in buckets beside it),
/// clipping and AdamW.  The state moves on from launch to launch, so there is one set of it: cache=hot.  `kernels`
/// outlive the result.
WorkloadKind train_step_workload(const std::vector<StepKernels>& kernels);

}  // namespace assay
