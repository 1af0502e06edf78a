#include "kernels/layer/cuda/cross_entropy.h"

#include <algorithm>

namespace assay {

std::vector<LaunchPlan<CrossEntropyParams>> cross_entropy_plans(const CrossEntropyProblem& p,
                                                                const CrossEntropyBuffers& b, const Target& target) {
  if (p.tokens == 0) return {};
  LaunchPlan<CrossEntropyParams> plan;
  if (p.gradient)
    plan.kernel = p.dtype == DType::bf16 ? "cross_entropy<assay::layer_cuda::Bf16, true>"
                                         : "cross_entropy<assay::layer_cuda::F32, true>";
  else
    plan.kernel = p.dtype == DType::bf16 ? "cross_entropy<assay::layer_cuda::Bf16, false>"
                                         : "cross_entropy<assay::layer_cuda::F32, false>";
  constexpr std::int64_t kScratch = 2048;  // of each block: sums of warps, and the system's own 1 KiB
  const auto most = std::int64_t(target.shared_bytes_per_block);
  const std::int64_t vectors = p.vocab * std::int64_t(size_bytes(p.dtype)) / kVectorBytes;
  const bool two = vectors * kVectorBytes <= most / 2 - 2 * kScratch;  // blocks a multiprocessor
  plan.block.x = two ? kCrossEntropyThreads / 2 : kCrossEntropyThreads;
  const std::int64_t slot_bytes = plan.block.x * kVectorBytes;
  const std::int64_t room = (two ? most / 2 : most) - kScratch;
  const std::int64_t slots =
      std::min({ceil_div(vectors, plan.block.x), room / slot_bytes, std::int64_t(kCrossEntropySlots)});
  plan.shared_bytes = unsigned(slots * slot_bytes);
  plan.grid.x = unsigned(std::min<std::int64_t>(p.tokens, std::int64_t(target.multiprocessors) * (two ? 2 : 1)));
  plan.params = {b.logits, b.labels, b.loss, b.lse, b.scale, p.tokens, p.vocab, p.ignore_index, std::int32_t(slots),
                 p.z_loss};
  return {plan};
}

}  // namespace assay
