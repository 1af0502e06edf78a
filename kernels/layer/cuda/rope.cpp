#include "kernels/layer/cuda/rope.h"

namespace assay {
namespace {

std::int64_t per_vector(const RopeProblem& p) { return kVectorBytes / std::int64_t(size_bytes(p.dtype)); }

}  // namespace

std::vector<LaunchPlan<RopeParams>> rope_plans(const RopeProblem& p, const RopeBuffers& b) {
  if (p.elements() == 0) return {};
  RopeParams params;
  const bool forward = p.pass == LayerPass::forward, bf16 = p.dtype == DType::bf16;
  params.x = forward ? b.x : b.dy, params.y = forward ? b.y : b.dx;
  params.cos = b.cos, params.sin = b.sin, params.position_ids = b.position_ids;
  params.heads = std::int32_t(p.heads), params.half = std::int32_t(p.head_dim / 2);
  params.sign = forward ? 1.F : -1.F;
  const bool vectors = params.half % per_vector(p) == 0 && aligned_vectors({params.x, params.y, b.cos, b.sin});
  const std::int64_t pairs = vectors ? params.half / per_vector(p) : params.half;
  const std::int64_t groups = vectors ? ceil_div(p.heads, kRopeHeads) : p.heads;
  params.items = p.tokens * groups * pairs;
  params.pairs = FastDivide(std::uint32_t(pairs)), params.groups = FastDivide(std::uint32_t(groups));
  params.positions = FastDivide(std::uint32_t(p.positions));
  LaunchPlan<RopeParams> plan;
  if (vectors)
    plan.kernel = bf16 ? "rope<assay::layer_cuda::Bf16>" : "rope<assay::layer_cuda::F32>";
  else
    plan.kernel = bf16 ? "rope_any<assay::layer_cuda::Bf16>" : "rope_any<assay::layer_cuda::F32>";
  plan.grid.x = unsigned(ceil_div(params.items, kRopeThreads));
  plan.block.x = kRopeThreads;
  plan.params = params;
  return {plan};
}

Support supports_rope_cuda(const RopeProblem& p) {
  constexpr std::int64_t kMost = std::int64_t(1) << 31;
  if (p.elements() / 2 > kMost || p.positions >= kMost) return Support::no("more than 2^32 elements");
  return Support::yes();
}

}  // namespace assay
