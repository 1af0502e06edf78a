// wgmma_sm90 in the table of attention kernels: its forward pass.
#include "kernels/attention/cuda/persistent_forward_operation.h"
#include "kernels/attention/sm90/wgmma_forward.h"
#include "kernels/attention/sm90/wgmma_forward_kernels.h"

namespace assay {
namespace {

WgmmaSm90ForwardKernel find(const AttentionProblem& problem, const WgmmaSm90ForwardPlan& plan) {
  return problem.dtype == DType::e4m3   ? find_wgmma_forward_e4m3_sm90(plan)
         : problem.dtype == DType::bf16 ? find_wgmma_forward_bf16_sm90(plan)
                                        : find_wgmma_forward_f16_sm90(plan);
}

std::unique_ptr<AttentionOperation> prepare(const AttentionProblem& problem, const Target& target,
                                            const std::vector<AttentionBuffers>& sets, Stream) {
  return std::make_unique<PersistentForwardOperation<WgmmaSm90ForwardParams>>(
      plan_wgmma_sm90_forward, find, problem, target, sets,
      packed_query_tiles(problem, choose_wgmma_sm90_forward(problem, target).instance->keys),
      explain_wgmma_sm90_forward(problem, target));
}

}  // namespace

AttentionPassKernel attention_wgmma_sm90_forward() {
  return {supports_wgmma_sm90_forward, prepare, explain_wgmma_sm90_forward};
}

}  // namespace assay
