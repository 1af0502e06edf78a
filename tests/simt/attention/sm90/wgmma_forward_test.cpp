// The launch plan of wgmma_sm90's forward pass; ../forward_test.cpp runs it.
#include <gtest/gtest.h>

#include "kernels/attention/sm90/wgmma_forward.h"
#include "tests/simt/attention/forward_testing.h"
#include "tests/simt/targets.h"
#include "tests/simt/tensor_map_encoder.h"

namespace assay {
namespace {

TEST(WgmmaSm90Forward, ThePlanFitsTheMachine) {
  alignas(16) static unsigned char memory[16];
  AttentionBuffers buffers;
  buffers.q = buffers.k = buffers.v = memory, buffers.o = memory;
  const AttentionProblem p = two_heads(128, 1000, 1000, true);
  const auto plan = plan_wgmma_sm90_forward(p, buffers, small_hopper(132), nullptr, encode_tensor_map);
  EXPECT_STREQ(plan.kernel, "attention_wgmma_sm90_bf16_d128_v128");
  EXPECT_EQ(plan.grid.x, 16u);  // 8 tiles of 2 heads: fewer than multiprocessors
  EXPECT_EQ(plan.block.x, 384u);
  for (const WgmmaSm90ForwardInstance& i : wgmma_sm90_forward_instances(p.dtype)) EXPECT_LE(i.shared_bytes, 232448u);
  buffers.k = memory + 2;
  EXPECT_THROW(plan_wgmma_sm90_forward(p, buffers, small_hopper(132), nullptr, encode_tensor_map), std::runtime_error);
}

}  // namespace
}  // namespace assay
