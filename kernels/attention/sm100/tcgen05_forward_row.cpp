// tcgen05_sm100 in the table of attention kernels: its forward pass.
#include "kernels/attention/cuda/persistent_forward_operation.h"
#include "kernels/attention/sm100/tcgen05_forward.h"
#include "kernels/attention/sm100/tcgen05_forward_kernels.h"
#include "kernels/attention/sm90/wgmma_forward_model.h"

namespace assay {
namespace {

Tcgen05Sm100ForwardKernel find(const AttentionProblem& problem, const Tcgen05Sm100ForwardPlan& plan) {
  return problem.dtype == DType::e4m3   ? find_tcgen05_forward_e4m3_sm100(plan)
         : problem.dtype == DType::bf16 ? find_tcgen05_forward_bf16_sm100(plan)
                                        : find_tcgen05_forward_f16_sm100(plan);
}

std::unique_ptr<AttentionOperation> prepare(const AttentionProblem& problem, const Target& target,
                                            const std::vector<AttentionBuffers>& sets, Stream) {
  return std::make_unique<PersistentForwardOperation<Tcgen05Sm100ForwardParams>>(
      plan_tcgen05_sm100_forward, find, problem, target, sets,
      packed_query_tiles(problem, kSm100ForwardKeys, kSm100ForwardQueries),
      explain_tcgen05_sm100_forward(problem, target));
}

}  // namespace

AttentionPassKernel attention_tcgen05_sm100_forward() {
  return {supports_tcgen05_sm100_forward, prepare, explain_tcgen05_sm100_forward};
}

}  // namespace assay
