// The launch plan of tcgen05_sm100's forward pass in e4m3; ../forward_e4m3_test.cpp runs it.
#include <gtest/gtest.h>

#include "kernels/attention/sm100/tcgen05_forward.h"
#include "tests/simt/attention/forward_testing.h"
#include "tests/simt/targets.h"
#include "tests/simt/tensor_map_encoder.h"

namespace assay {
namespace {

TEST(Tcgen05Sm100ForwardE4m3, ThePlanFitsTheMachine) {
  alignas(16) static unsigned char memory[16];
  AttentionBuffers buffers;
  buffers.q = buffers.k = buffers.v = memory, buffers.o = memory;
  AttentionProblem p = two_heads_e4m3(128, 1000, 1000, true);
  const auto plan = plan_tcgen05_sm100_forward(p, buffers, small_blackwell(148), nullptr, encode_tensor_map);
  EXPECT_STREQ(plan.kernel, "attention_tcgen05_sm100_e4m3_d128_v128");
  for (const Tcgen05Sm100ForwardInstance& i : tcgen05_sm100_forward_instances(p.dtype))
    EXPECT_LE(i.shared_bytes, 232448u);
  p.head_dim = 72;  // 72 bytes
  EXPECT_NE(supports_tcgen05_sm100_forward(p, small_blackwell(148)).reason.find("divisible by 16"), std::string::npos);
  p.head_dim = 80;
  EXPECT_TRUE(supports_tcgen05_sm100_forward(p, small_blackwell(148)).ok());
  p.pass = AttentionPass::backward;
  EXPECT_NE(supports_tcgen05_sm100_forward(p, small_blackwell(148)).reason.find("forward only"), std::string::npos);
}

}  // namespace
}  // namespace assay
