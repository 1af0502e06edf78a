#include "kernels/attention/sm100/tcgen05_forward.h"

#include "kernels/attention/cuda/persistent_forward.h"
#include "kernels/common/tcgen05_descriptors.h"

namespace assay {

LaunchPlan<Tcgen05Sm100ForwardParams> plan_tcgen05_sm100_forward(const AttentionProblem& p,
                                                                 const AttentionBuffers& buffers, const Target& target,
                                                                 const AttentionQueryTile* tiles,
                                                                 TensorMapEncoder encode) {
  const Tcgen05Sm100ForwardChoice choice = choose_tcgen05_sm100_forward(p, target);
  const Tcgen05Sm100ForwardInstance& instance = *choice.instance;
  LaunchPlan<Tcgen05Sm100ForwardParams> plan;
  plan.kernel = p.dtype == DType::e4m3 ? instance.e4m3 : p.dtype == DType::bf16 ? instance.bf16 : instance.f16;
  plan.grid.x = static_cast<unsigned>(choice.ctas);
  plan.block.x = Tcgen05Sm100ForwardTile<64, 64>::kThreads;
  plan.shared_bytes = static_cast<unsigned>(instance.shared_bytes);
  const Tcgen05Kind kind = p.dtype == DType::e4m3 ? Tcgen05Kind::f8f6f4 : Tcgen05Kind::f16;
  const Tcgen05Operand k_major = {p.dtype, true}, mn_major = {p.dtype, false};
  plan.params = {persistent_forward_params("tcgen05_sm100", p, buffers, choice.schedule, tiles,
                                           {128, kSm100ForwardKeys, 32}, encode),
                 tcgen05_instruction(kind, k_major, k_major, 128, kSm100ForwardKeys),
                 tcgen05_instruction(kind, k_major, mn_major, 128, instance.value_dim)};
  return plan;
}

}  // namespace assay
