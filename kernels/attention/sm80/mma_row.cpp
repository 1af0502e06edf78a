// mma_sm80 in the table of attention kernels.
#include <string>

#include "kernels/attention/cuda/kernel_rows.h"
#include "kernels/attention/sm80/mma.h"

namespace assay {
namespace {

Support supports(const AttentionProblem& problem, const Target& target) {
  if (target.compute_capability < 80)
    return Support::no("needs sm_80 or later (cp.async, bf16 mma), the device is sm_" +
                       std::to_string(target.compute_capability));
  if (attention_mma_sm80_instance(problem) == nullptr)
    return Support::no("head_dim " + std::to_string(problem.head_dim) + " with values of " +
                       std::to_string(problem.value_dim()) +
                       ": only 64, 96, 128, 256 and 192 with 128 are implemented");
  AttentionFeatures features;
  features.packed = features.window = features.value_dim = true;
  return attention_cuda_support(problem, target, features, MmaSm80Tile<128>::kQueries,
                                attention_mma_sm80_plan(problem, {}).shared_bytes);
}

}  // namespace

AttentionPassKernel attention_mma_sm80_forward() {
  return stateless_pass(supports, prepare_attention_mma_sm80, launch_attention_mma_sm80);
}

}  // namespace assay
