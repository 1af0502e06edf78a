// The CPU kernel on the instruction sets this CPU has but would not choose, and on bf16 without its instruction.
#include <gtest/gtest.h>

#include <hwy/targets.h>

#include "kernels/gemm/cpu/blocked.h"
#include "kernels/gemm/cpu/blocking.h"
#include "tests/kernels/gemm/gemm_check.h"

namespace assay {
namespace {

using test::GemmFixture;
using test::text;

const GemmProblem kProblems[] = {{1, 1, 1},      {7, 17, 5},     {6, 16, 8},     {12, 8, 12},
                                 {61, 101, 129}, {43, 39, 1601}, {285, 2051, 3}, {15, 33, 1537}};

void check_all(DType dtype, cpu::PackedTiles tiles) {
  for (GemmProblem problem : kProblems)
    for (const GemmLayout layout : {GemmLayout::tn, GemmLayout::nn, GemmLayout::nt}) {
      problem.layout = layout;
      problem.dtype = dtype;
      SCOPED_TRACE(std::string(tiles.tiles->name) + " " + text(problem));
      GemmFixture fixture(problem);
      for (const int threads : {1, 2}) {
        fixture.reset();
        make_cpu_blocked_gemm(problem, threads, tiles)->launch(fixture.buffers(), nullptr);
        EXPECT_EQ(fixture.fault(), "");
      }
    }
}

/// Makes Highway choose as if the CPU had this instruction set and no better one, until destroyed.
class OnlyTarget {
 public:
  explicit OnlyTarget(std::int64_t target) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
  ~OnlyTarget() {
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
};

std::vector<std::int64_t> compiled_targets() {
  hwy::SetSupportedTargetsForTest(0);
  std::vector<std::int64_t> targets;
  for (std::int64_t rest = hwy::SupportedTargets() & HWY_TARGETS; rest != 0; rest &= rest - 1)
    targets.push_back(rest & -rest);
  return targets;
}

// Two threads that write halves of one page of d slow each other down; from two pages a row on they need not share any.
TEST(CpuBlockedGemm, SlicesShareNoPageOfAnOutputRow) {
  const cpu::PackedTiles tiles{&cpu::f32_tiles(), cpu::PackFormat::f32};
  for (const std::int64_t size : {256, 512, 1024}) {
    const GemmBlocking cut = block_gemm({size, size, size}, tiles, 2, {});
    EXPECT_EQ(cut.row_parts, 2) << size;
    EXPECT_EQ(part_of(size, cut.row_unit, 2, 0).size(), size / 2);
  }
  EXPECT_EQ(block_gemm({2048, 2048, 2048}, tiles, 2, {}).column_parts, 2);
  EXPECT_EQ(block_gemm({64, 4096, 512}, tiles, 2, {}).column_parts, 2);
}

TEST(CpuBlockedGemm, EveryInstructionSetOfThisCpu) {
  std::vector<std::string> seen;
  for (const std::int64_t target : compiled_targets()) {
    const OnlyTarget only(target);
    seen.push_back(cpu::f32_tiles().name);
    check_all(DType::f32, {&cpu::f32_tiles(), cpu::PackFormat::f32});
    check_all(DType::bf16, {&cpu::f32_tiles(), cpu::PackFormat::bf16_widened});
  }
  std::string names;
  for (const std::string& name : seen) names += " " + name;
  RecordProperty("targets", names);
  ASSERT_FALSE(seen.empty());
}

TEST(CpuBlockedGemm, Bf16Instruction) {
  if (cpu::bf16_tiles() == nullptr) GTEST_SKIP() << "this CPU has no AVX-512 BF16";
  check_all(DType::bf16, {cpu::bf16_tiles(), cpu::PackFormat::bf16_pairs});
}

// Blocks of 28 rows and 256 units, so that there are several of everything: of rows, of k, of columns and, for bf16, of
// rows whose sums are kept; with a kept packed (fewer than 28 rows) and not.
TEST(CpuBlockedGemm, SmallCachesManyBlocks) {
  cpu::Caches caches;
  caches.level2 = 64 << 10;
  for (const DType dtype : {DType::f32, DType::bf16})
    for (GemmProblem problem : {GemmProblem{100, 70, 1100}, GemmProblem{25, 300, 1100}, GemmProblem{59, 1060, 530},
                                GemmProblem{1190, 34, 600}})
      for (const GemmLayout layout : {GemmLayout::tn, GemmLayout::nn, GemmLayout::nt})
        for (const bool prepacked : {false, true}) {
          problem.layout = layout;
          problem.dtype = dtype;
          problem.prepacked = prepacked;
          SCOPED_TRACE(text(problem) + (prepacked ? " prepacked" : ""));
          GemmFixture fixture(problem);
          const auto gemm =
              make_cpu_blocked_gemm(problem, prepacked ? 1 : 2, cpu::best_tiles(dtype), {fixture.buffers()}, caches);
          gemm->launch(fixture.buffers(), nullptr);
          EXPECT_EQ(fixture.fault(), "");
        }
}

// One rounding from the fp32 sum: with integers the sum is exact, so the result must be its nearest bf16, ties to even.
TEST(CpuBlockedGemm, Bf16OutputIsRoundedOnceToNearestEven) {
  // 4100 k: several blocks of k, so that a kernel that rounds between blocks is caught
  const GemmProblem problem{5, 40, 4100, GemmLayout::nn, DType::bf16};
  GemmFixture fixture(problem);
  for (std::int64_t i = 0; i < problem.m * problem.k; ++i) store_element(DType::bf16, fixture.a(), i, 1);
  for (std::int64_t p = 0; p < problem.k; ++p)
    for (std::int64_t j = 0; j < problem.n; ++j)
      store_element(DType::bf16, fixture.b(), problem.b_index(p, j), p < 1000 + j ? 1 : 0);
  for (const cpu::PackedTiles tiles :
       {cpu::best_tiles(DType::bf16), cpu::PackedTiles{&cpu::f32_tiles(), cpu::PackFormat::bf16_widened}}) {
    fixture.reset();
    make_cpu_blocked_gemm(problem, 1, tiles)->launch(fixture.buffers(), nullptr);
    for (std::int64_t i = 0; i < problem.m; ++i)
      for (std::int64_t j = 0; j < problem.n; ++j)
        EXPECT_EQ(load_element(DType::bf16, fixture.d(), i * problem.n + j),
                  round_to(DType::bf16, static_cast<double>(1000 + j)));
  }
}

}  // namespace
}  // namespace assay
