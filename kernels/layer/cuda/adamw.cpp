#include "kernels/layer/cuda/adamw.h"

namespace assay {

std::vector<LaunchPlan<AdamWParams>> adamw_plans(const AdamWProblem& p, const AdamWBuffers& b) {
  static constexpr const char* kNames[3][2] = {
      {"adamw_any<assay::layer_cuda::F32, false>", "adamw<assay::layer_cuda::F32, false>"},
      {"adamw_any<assay::layer_cuda::F32, true>", "adamw<assay::layer_cuda::F32, true>"},
      {"adamw_any<assay::layer_cuda::Bf16, true>", "adamw<assay::layer_cuda::Bf16, true>"}};
  if (p.elements == 0) return {};
  const bool vectors = aligned_vectors({b.master, b.param, b.gradient, b.m, b.v});
  const std::int64_t tile = vectors ? kAdamWThreads * kAdamWUnroll * kAdamWVector : kAdamWThreads;
  LaunchPlan<AdamWParams> plan;
  plan.kernel = kNames[!p.has_master() ? 0 : p.gradient_dtype == DType::f32 ? 1 : 2][vectors];
  plan.grid.x = unsigned(ceil_div(p.elements, tile));
  plan.block.x = kAdamWThreads;
  AdamWParams& params = plan.params;
  params.master = b.master, params.param = b.param, params.gradient = b.gradient, params.m = b.m, params.v = b.v;
  params.step = b.step, params.gradient_scale = b.gradient_scale, params.elements = p.elements;
  params.beta1 = p.beta1, params.beta2 = p.beta2, params.epsilon = p.epsilon;
  params.rest1 = float(1 - double(p.beta1)), params.rest2 = float(1 - double(p.beta2));
  return {plan};
}

Support supports_adamw_cuda(const AdamWProblem& p) {
  if (!p.has_master() && p.gradient_dtype != DType::f32) return Support::no("fp32 parameters have fp32 gradients");
  return Support::yes();
}

}  // namespace assay
