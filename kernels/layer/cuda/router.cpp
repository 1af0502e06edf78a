#include "kernels/layer/cuda/router.h"

namespace assay {
namespace {

constexpr int kPerLane[] = {1, 2, 4, 8, 32};  // experts of a lane, as compiled

#define ASSAY_ROUTER(Kernel, Element)                                                               \
  {                                                                                                 \
    Kernel "<assay::layer_cuda::" Element ", 1>", Kernel "<assay::layer_cuda::" Element ", 2>",     \
        Kernel "<assay::layer_cuda::" Element ", 4>", Kernel "<assay::layer_cuda::" Element ", 8>", \
        Kernel "<assay::layer_cuda::" Element ", 32>"                                               \
  }
constexpr const char* kNames[2][2][5] = {
    {ASSAY_ROUTER("router_forward", "F32"), ASSAY_ROUTER("router_forward", "Bf16")},
    {ASSAY_ROUTER("router_backward", "F32"), ASSAY_ROUTER("router_backward", "Bf16")}};
#undef ASSAY_ROUTER

}  // namespace

std::vector<LaunchPlan<RouterParams>> router_plans(const RouterProblem& p, const RouterBuffers& b) {
  if (p.tokens == 0) return {};
  std::size_t size = 0;
  while (32 * kPerLane[size] < p.experts) ++size;
  LaunchPlan<RouterParams> plan;
  plan.kernel = kNames[p.pass == LayerPass::backward][p.dtype == DType::bf16][size];
  plan.grid.x = unsigned(ceil_div(p.tokens, kRouterThreads / 32));
  plan.block.x = kRouterThreads;
  RouterParams& params = plan.params;
  params.logits = b.logits, params.bias = b.bias, params.expert = b.expert, params.weight = b.weight;
  params.dweight = b.dweight, params.dlogits = b.dlogits, params.tokens = p.tokens;
  params.experts = std::int32_t(p.experts), params.top_k = std::int32_t(p.top_k);
  params.groups = std::int32_t(p.groups), params.top_groups = std::int32_t(p.top_groups);
  params.sigmoid = p.gate == RouterGate::sigmoid, params.renormalise = p.renormalise, params.scale = p.scale;
  params.group_size = FastDivide(std::uint32_t(p.group_size()));
  return {plan};
}

Support supports_router_cuda(const RouterProblem& p) {
  if (const std::string reason = reason_router_unfit(p); !reason.empty()) return Support::no(reason);
  if (p.groups > kRouterMostGroups) return Support::no("more than " + std::to_string(kRouterMostGroups) + " groups");
  return Support::yes();
}

}  // namespace assay
