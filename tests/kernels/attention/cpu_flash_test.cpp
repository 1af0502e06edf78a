// The CPU kernel on the instruction sets this CPU has but would not choose, and on bf16 without its instruction.
#include <gtest/gtest.h>

#include <hwy/targets.h>

#include "kernels/attention/cpu/kernels.h"
#include "tests/kernels/attention/attention_check.h"
#include "tests/kernels/common/functional_amx.h"

namespace assay {
namespace {

using test::AttentionFixture;
using test::text;

void check(cpu::PackedTiles tiles, AttentionProblem problem) {
  AttentionFixture fixture(problem);
  make_cpu_flash(problem, 2, tiles)->launch(fixture.buffers(), nullptr);
  EXPECT_EQ(fixture.fault(), "") << tiles.tiles->name << " " << text(problem);
  problem.pass = AttentionPass::backward;
  make_cpu_flash(problem, 2, tiles)->launch(fixture.buffers(), nullptr);
  EXPECT_EQ(fixture.gradient_fault(), "") << tiles.tiles->name << " " << text(problem);
}

void check(cpu::PackedTiles tiles, DType dtype) {
  for (const bool causal : {false, true})
    for (const std::int64_t seq_q : {1, 139})
      for (const std::int64_t seq_kv : {5, 530}) check(tiles, {1, 2, 1, seq_q, seq_kv, 64, causal, dtype});
  AttentionProblem wide{1, 1, 1, 270, 300, 96, true, dtype};
  wide.head_dim_v = 32;
  wide.window = 75;
  check(tiles, wide);
}

TEST(CpuFlash, EveryInstructionSetOfThisCpu) {
  hwy::SetSupportedTargetsForTest(0);
  int tried = 0;
  for (std::int64_t rest = hwy::SupportedTargets() & HWY_TARGETS; rest != 0; rest &= rest - 1, ++tried) {
    hwy::SetSupportedTargetsForTest(rest & -rest);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    check({&cpu::f32_tiles(), cpu::PackFormat::f32}, DType::f32);
    check({&cpu::f32_tiles(), cpu::PackFormat::bf16_widened}, DType::bf16);
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
  EXPECT_GT(tried, 0);
}

// 167 queries: a block of four whole tiles, then a whole one and seven rows; keys beyond a block of 512.
TEST(CpuFlash, AmxOnTheFunctionalUnit) {
  test::AmxFaults::take();
  check({&test::functional_amx_tiles(), cpu::PackFormat::bf16_amx}, DType::bf16);
  for (const bool causal : {false, true})
    for (const std::int64_t head_dim : {64, 128}) {
      AttentionFixture fixture({1, 2, 1, 167, 577, head_dim, causal, DType::bf16});
      const auto operation =
          make_cpu_flash(fixture.problem, 2, {&test::functional_amx_tiles(), cpu::PackFormat::bf16_amx});
      for (int launch = 0; launch < 2; ++launch) {  // the second in the first one's leftovers
        fixture.reset();
        operation->launch(fixture.buffers(), nullptr);
        EXPECT_EQ(fixture.fault(), "") << text(fixture.problem);
      }
    }
  EXPECT_EQ(test::AmxFaults::take(), "");
}

TEST(CpuFlash, AmxOfThisCpu) {
  if (cpu::amx_tiles() == nullptr) GTEST_SKIP() << "this CPU grants no AMX";
  check({cpu::amx_tiles(), cpu::PackFormat::bf16_amx}, DType::bf16);
}

TEST(CpuFlash, Bf16Instruction) {
  if (cpu::bf16_tiles() == nullptr) GTEST_SKIP() << "this CPU has no AVX-512 BF16";
  check({cpu::bf16_tiles(), cpu::PackFormat::bf16_pairs}, DType::bf16);
}

}  // namespace
}  // namespace assay
