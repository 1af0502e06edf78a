// The launch plan of wgmma_sm90's forward pass in e4m3; ../forward_e4m3_test.cpp runs it.
#include <gtest/gtest.h>

#include "kernels/attention/sm90/wgmma_forward.h"
#include "tests/simt/attention/forward_testing.h"
#include "tests/simt/targets.h"
#include "tests/simt/tensor_map_encoder.h"

namespace assay {
namespace {

TEST(WgmmaSm90ForwardE4m3, ThePlanFitsTheMachine) {
  alignas(16) static unsigned char memory[16];
  AttentionBuffers buffers;
  buffers.q = buffers.k = buffers.v = memory, buffers.o = memory;
  AttentionProblem p = two_heads_e4m3(128, 1000, 1000, true);
  const auto plan = plan_wgmma_sm90_forward(p, buffers, small_hopper(132), nullptr, encode_tensor_map);
  EXPECT_STREQ(plan.kernel, "attention_wgmma_sm90_e4m3_d128_v128");
  for (const WgmmaSm90ForwardInstance& i : wgmma_sm90_forward_instances(p.dtype)) EXPECT_LE(i.shared_bytes, 232448u);
  p.head_dim = 72;  // 72 bytes
  EXPECT_NE(supports_wgmma_sm90_forward(p, small_hopper(132)).reason.find("divisible by 16"), std::string::npos);
  p.head_dim = 80;
  EXPECT_TRUE(supports_wgmma_sm90_forward(p, small_hopper(132)).ok());
  p.pass = AttentionPass::backward;
  EXPECT_NE(supports_wgmma_sm90_forward(p, small_hopper(132)).reason.find("forward only"), std::string::npos);
}

}  // namespace
}  // namespace assay
