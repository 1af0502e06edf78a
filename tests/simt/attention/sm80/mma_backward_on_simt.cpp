#include "tests/simt/attention/sm80/mma_backward_on_simt.h"

#include <gtest/gtest.h>

namespace assay::mma_sm80_backward_simt {

AttentionProblem problem(DType dtype, std::int64_t head_dim, std::int64_t heads, std::int64_t kv_heads,
                         std::int64_t seq_q, std::int64_t seq_kv, bool causal, bool deterministic) {
  AttentionProblem p;
  p.pass = AttentionPass::backward, p.dtype = dtype, p.head_dim = head_dim, p.heads = heads, p.kv_heads = kv_heads;
  p.seq_q = seq_q, p.seq_kv = seq_kv, p.causal = causal, p.deterministic = deterministic;
  if (head_dim == 192) p.head_dim_v = 128;
  return p;
}

test::Gradients run_backward(const AttentionProblem& p, const test::GradientInputs& inputs, simt::Async async,
                             std::uint64_t seed) {
  static const simt::ptx::Module module(simt::ptx::ptx_text(ASSAY_PTX_DIR, "attention_mma_sm80_backward"));
  GradientsOnSimt device(p, inputs);
  const auto sizes = attention_mma_sm80_backward_workspace(p);
  const auto floats = [&](std::int64_t count) {
    return count == 0 ? nullptr : device.heap().poisoned<float>(static_cast<std::size_t>(count));
  };
  const AttentionBackwardSm80Workspace workspace{floats(sizes.lse_log2), floats(sizes.delta), floats(sizes.dq_sum)};
  simt::Options options = gradient_options(device.heap(), async, seed);
  if (async == simt::Async::Random) options.cta_order = simt::CtaOrder::Random, options.global_races = true;
  for (const AttentionBackwardSm80Plan& plan : attention_mma_sm80_backward_plans(p, device.buffers(), workspace)) {
    const simt::Stats stats = simt::launch(module.kernel(plan.kernel), plan, options);
    EXPECT_EQ(stats.bank_conflicts, 0u) << "bank conflicts in " << plan.kernel;
  }
  return device.download();
}

void expect_right(const AttentionProblem& p, const test::GradientInputs& inputs, simt::Async async) {
  EXPECT_EQ(test::gradient_mismatch(p, inputs, run_backward(p, inputs, async)), "") << test::gradient_case_name(p);
}

}  // namespace assay::mma_sm80_backward_simt
