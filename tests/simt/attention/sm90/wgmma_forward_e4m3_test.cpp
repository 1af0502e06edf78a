// wgmma_sm90's forward pass in e4m3 on the functional GPU, through the launch plan of its launcher.
#include <gtest/gtest.h>

#include <cstring>

#include "tests/simt/attention/forward_e4m3_testing.h"
#include "tests/simt/attention/sm90/wgmma_forward_on_simt.h"
#include "tests/simt/tensor_map_encoder.h"

namespace assay {
namespace {

const simt::ptx::Module& module_e4m3() {
  static const simt::ptx::Module module(simt::ptx::ptx_text(ASSAY_PTX_DIR, "wgmma_forward_e4m3_sm90"));
  return module;
}

ForwardOutputs run(const AttentionProblem& p, const ForwardInputs& inputs, int multiprocessors,
                   const simt::Options& options = forward_options(simt::Async::Lazy)) {
  return run_forward(module_e4m3(), p, inputs, multiprocessors, options);
}

void expect_right(const AttentionProblem& p, const ForwardInputs& inputs, int multiprocessors,
                  const simt::Options& options = forward_options(simt::Async::Lazy)) {
  const ForwardOutputs outputs = run(p, inputs, multiprocessors, options);
  EXPECT_EQ(forward_mismatch(p, inputs, outputs), "") << describe_forward(p);
  EXPECT_EQ(outputs.bank_conflicts, 0u) << "bank conflicts in " << describe_forward(p);
}

class E4m3Cases : public testing::TestWithParam<ForwardCase> {};

TEST_P(E4m3Cases, EqualReference) {
  const AttentionProblem& p = GetParam().problem;
  for (const simt::Async policy : kPolicies)
    expect_right(p, forward_inputs(p, 1), GetParam().multiprocessors, forward_options(policy));
}
INSTANTIATE_TEST_SUITE_P(WgmmaSm90ForwardE4m3, E4m3Cases, testing::ValuesIn(forward_e4m3_cases()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(WgmmaSm90ForwardE4m3, Lengths) {
  struct Lengths {
    std::int64_t seq_q, seq_kv;
  };
  constexpr Lengths kLengths[] = {{1, 1}, {64, 128}, {239, 1}, {113, 203}, {1, 300}, {256, 113}, {129, 127}, {16, 129}};
  constexpr std::int64_t kWidths[] = {64, 128, 256};
  unsigned seed = 0;
  for (const Lengths& length : kLengths)
    for (const bool causal : {false, true}) {
      const AttentionProblem p = e4m3_problem(kWidths[seed % 3], length.seq_q, length.seq_kv, causal);
      expect_right(p, forward_inputs(p, seed), 1, forward_options(kPolicies[seed / 2 % 3]));
      ++seed;
    }
}

TEST(WgmmaSm90ForwardE4m3, EveryKeyMeetsItsOwnValue) {
  for (const std::int64_t width : {64, 128, 256}) {
    AttentionProblem p = e4m3_problem(width, 256, 256, false);
    p.heads = 1;
    const ForwardInputs inputs = one_key_takes_all(p);
    expect_each_keys_own_value(p, inputs, run(p, inputs, 1));
  }
}

TEST(WgmmaSm90ForwardE4m3, NeitherScheduleNorGridChangesABit) {
  const AttentionProblem& p = forward_e4m3_cases()[4].problem;  // packed
  const ForwardInputs inputs = forward_inputs(p, 5);
  const ForwardOutputs first = run(p, inputs, 1);
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const ForwardOutputs other = run(p, inputs, static_cast<int>(seed), forward_options(simt::Async::Random, seed));
    EXPECT_EQ(first.o, other.o);
    EXPECT_EQ(std::memcmp(first.lse.data(), other.lse.data(), first.lse.size() * sizeof(float)), 0);
  }
}

TEST(WgmmaSm90ForwardE4m3, ExtremeLogitsAndFactors) {
  const AttentionProblem p = e4m3_problem(128, 70, 300, true);
  expect_right(p, forward_inputs(p, 8, 30, 8), 1);  // scores of hundreds: one key takes all
  expect_right(p, forward_inputs(p, 9, 0, 1), 1);   // all equal
  ForwardInputs inputs = forward_inputs(p, 10);
  inputs.q_scale = 3e-3f, inputs.k_scale = 40, inputs.v_scale = 1e5f;
  expect_right(p, inputs, 1);
  inputs.v_scale = -2e-6f;
  expect_right(p, inputs, 1);
}

TEST(WgmmaSm90ForwardE4m3, NoKeysAtAll) {
  for (const AttentionProblem& p :
       {e4m3_problem(128, 140, 0, true), packed_problem(e4m3_problem(64, 0, 0, false), {3, 0, 200}, {0, 0, 0})})
    expect_right(p, forward_inputs(p, 12), 2);
}

TEST(WgmmaSm90ForwardE4m3, ThePlanFitsTheMachine) {
  alignas(16) static unsigned char memory[16];
  AttentionBuffers buffers;
  buffers.q = buffers.k = buffers.v = memory, buffers.o = memory;
  AttentionProblem p = e4m3_problem(128, 1000, 1000, true);
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
