// What tcgen05_sm100's forward pass alone has: a shift that lags behind the maximum, a polynomial, its launch plan.
// ../forward_test.cpp has the rest.
#include <gtest/gtest.h>

#include "kernels/attention/sm100/tcgen05_forward.h"
#include "tests/simt/attention/forward_testing.h"
#include "tests/simt/targets.h"
#include "tests/simt/tensor_map_encoder.h"

namespace assay {
namespace {

TEST(Tcgen05Sm100Forward, TheShiftFollowsWhereTheMaximumGrowsByMuch) {
  for (const DType dtype : {DType::bf16, DType::f16}) {
    AttentionProblem p = two_heads(64, 140, 640, false);
    p.dtype = dtype;
    // In units of log2, of which 8 are tolerated: never, in the third tile, in each tile, falling.
    for (const double rise : {1.0, 4.0, 7.0, -9.0}) expect_right(p, rising_inputs(p, rise), 1);
  }
}

// --- without the polynomial: what is compiled for sm_103
TEST(Tcgen05Sm100Forward, Sm103TakesAllExponentialsFromMufu) {
  const AttentionProblem& p = case_named(forward_cases(), "causal").problem;
  const AttentionInputs inputs = normal_inputs(p, 5);
  const AttentionOutputs there =
      run_attention(forward_kernel(1, "tcgen05_forward_sm103"), p, inputs, attention_options(simt::Async::Lazy));
  EXPECT_EQ(attention_mismatch(p, inputs, there), "");
  EXPECT_FALSE(same_bits(there.lse, run_forward(p, inputs, 1).lse));
}

TEST(Tcgen05Sm100Forward, ThePlanFitsTheMachine) {
  alignas(16) static unsigned char memory[16];
  AttentionBuffers buffers;
  buffers.q = buffers.k = buffers.v = memory, buffers.o = memory;
  const AttentionProblem p = two_heads(128, 1000, 1000, true);
  const auto plan = plan_tcgen05_sm100_forward(p, buffers, small_blackwell(148), nullptr, encode_tensor_map);
  EXPECT_STREQ(plan.kernel, "attention_tcgen05_sm100_bf16_d128_v128");
  EXPECT_EQ(plan.grid.x, 8u);  // 4 tiles of 2 heads: fewer than multiprocessors
  EXPECT_EQ(plan.block.x, 512u);
  for (const Tcgen05Sm100ForwardInstance& i : tcgen05_sm100_forward_instances(p.dtype))
    EXPECT_LE(i.shared_bytes, 232448u);
  buffers.k = memory + 2;
  EXPECT_THROW(plan_tcgen05_sm100_forward(p, buffers, small_blackwell(148), nullptr, encode_tensor_map),
               std::runtime_error);
}

}  // namespace
}  // namespace assay
