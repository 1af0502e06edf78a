#include "kernels/attention/sm90/wgmma_forward.h"

#include "kernels/attention/cuda/persistent_forward.h"

namespace assay {

LaunchPlan<WgmmaSm90ForwardParams> plan_wgmma_sm90_forward(const AttentionProblem& p, const AttentionBuffers& buffers,
                                                           const Target& target, const AttentionQueryTile* tiles,
                                                           TensorMapEncoder encode) {
  const WgmmaSm90ForwardChoice choice = choose_wgmma_sm90_forward(p, target);
  const WgmmaSm90ForwardInstance& instance = *choice.instance;
  LaunchPlan<WgmmaSm90ForwardParams> plan;
  plan.kernel = p.dtype == DType::e4m3 ? instance.e4m3 : p.dtype == DType::bf16 ? instance.bf16 : instance.f16;
  plan.grid.x = static_cast<unsigned>(choice.ctas);
  plan.block.x = WgmmaSm90ForwardTile<64, 64>::kThreads;
  plan.shared_bytes = static_cast<unsigned>(instance.shared_bytes);
  plan.params = {persistent_forward_params("wgmma_sm90", p, buffers, choice.schedule, tiles,
                                           {AttentionSchedule::kQueries, instance.keys, 16}, encode)};
  return plan;
}

}  // namespace assay
