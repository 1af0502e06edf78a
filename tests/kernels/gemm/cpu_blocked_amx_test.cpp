// The whole CPU GEMM with AMX's micro-kernels on the functional unit, and on this CPU's where it has one.
#include <gtest/gtest.h>

#include <hwy/targets.h>

#include "kernels/gemm/cpu/blocked.h"
#include "tests/kernels/common/amx_trap.h"
#include "tests/kernels/common/functional_amx.h"
#include "tests/kernels/gemm/gemm_check.h"

namespace assay {
namespace {

using test::AmxFaults;
using test::FunctionalAmx;
using test::GemmFixture;
using test::text;

constexpr GemmLayout kLayouts[] = {GemmLayout::tn, GemmLayout::nn, GemmLayout::nt};

std::vector<cpu::PackedTiles> amx_tile_sets() {
  std::vector<cpu::PackedTiles> sets = {{&test::functional_amx_tiles(), cpu::PackFormat::bf16_amx}};
  if (cpu::amx_tiles() != nullptr) sets.push_back({cpu::amx_tiles(), cpu::PackFormat::bf16_amx});
  return sets;
}

/// The first fault of one launch, of the result or of the unit.
std::string fault(const GemmProblem& problem, int threads, cpu::PackedTiles tiles,
                  const cpu::Caches& caches = cpu::caches()) {
  AmxFaults::take();
  GemmFixture fixture(problem);
  make_cpu_blocked_gemm(problem, threads, tiles, {fixture.buffers()}, caches)->launch(fixture.buffers(), nullptr);
  const std::string refused = AmxFaults::take();
  return refused.empty() ? fixture.fault() : refused;
}

template <class Test>
void for_each_form(GemmProblem problem, Test test) {
  problem.dtype = DType::bf16;
  for (const cpu::PackedTiles tiles : amx_tile_sets())
    for (const GemmLayout layout : kLayouts)  // nt adds into an fp32 d
      for (const bool prepacked : {false, true})
        for (const bool accumulate : {false, true}) {
          if (accumulate && layout == GemmLayout::nt) continue;
          problem.layout = layout;
          problem.prepacked = prepacked;
          problem.accumulate = accumulate;
          SCOPED_TRACE(std::string(tiles.tiles->name) + " " + text(problem) + (prepacked ? " prepacked" : "") +
                       (accumulate ? " accumulated" : ""));
          test(problem, tiles);
        }
}

TEST(CpuBlockedAmx, MatchesTheReference) {
  for (const GemmProblem& problem :
       {GemmProblem{1, 1, 1}, GemmProblem{7, 17, 5}, GemmProblem{16, 32, 32}, GemmProblem{32, 64, 64},
        GemmProblem{33, 31, 33}, GemmProblem{61, 101, 129}, GemmProblem{43, 39, 1601}, GemmProblem{190, 257, 3}})
    for_each_form(problem, [](const GemmProblem& p, cpu::PackedTiles tiles) {
      for (const int threads : {1, 3}) EXPECT_EQ(fault(p, threads, tiles), "") << threads << " threads";
    });
}

#if ASSAY_CAN_TRAP_AMX
TEST(CpuBlockedAmx, MatchesTheReferenceWithItsInstructionsTrapped) {
  if (cpu::bf16_tiles() == nullptr) GTEST_SKIP() << "the rest of its instructions are AVX-512 BF16's";
  if (cpu::amx_tiles() != nullptr) GTEST_SKIP() << "this CPU runs them";
  const test::AmxTrap trap;
  const cpu::PackedTiles tiles{cpu::amx_tiles_of_build(), cpu::PackFormat::bf16_amx};
  for (GemmProblem problem : {GemmProblem{33, 31, 33}, GemmProblem{61, 101, 129}, GemmProblem{100, 70, 1100}})
    for (const GemmLayout layout : kLayouts) {
      problem.layout = layout;
      problem.dtype = DType::bf16;
      EXPECT_EQ(fault(problem, 3, tiles), "") << text(problem);
    }
  EXPECT_GT(test::AmxTrap::instructions(), 1000);
}
#endif

TEST(CpuBlockedAmx, EveryNumberOfRows) {
  for (std::int64_t m = 1; m <= 33; ++m)
    for_each_form({m, 37, 70}, [](const GemmProblem& p, cpu::PackedTiles tiles) { EXPECT_EQ(fault(p, 1, tiles), ""); });
}

// Blocks of 32 rows and 256 units, so that there are several of everything; with a kept packed and not.
TEST(CpuBlockedAmx, SmallCachesManyBlocks) {
  cpu::Caches caches;
  caches.level2 = 64 << 10;
  for (const GemmProblem& problem :
       {GemmProblem{100, 70, 1100}, GemmProblem{25, 300, 1100}, GemmProblem{59, 1060, 530}, GemmProblem{1190, 34, 600}})
    for_each_form(problem,
                  [&](const GemmProblem& p, cpu::PackedTiles tiles) { EXPECT_EQ(fault(p, 2, tiles, caches), ""); });
}

// a is packed by every instruction set that Highway compiled, whatever multiplies it.
TEST(CpuBlockedAmx, PackedByEveryInstructionSet) {
  hwy::SetSupportedTargetsForTest(0);
  int tried = 0;
  for (std::int64_t rest = hwy::SupportedTargets() & HWY_TARGETS; rest != 0; rest &= rest - 1, ++tried) {
    hwy::SetSupportedTargetsForTest(rest & -rest);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    for_each_form({45, 71, 75},
                  [](const GemmProblem& p, cpu::PackedTiles tiles) { EXPECT_EQ(fault(p, 1, tiles), ""); });
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
  EXPECT_GT(tried, 0);
}

TEST(CpuBlockedAmx, ThreadsConfigureForThemselvesAndRelease) {
  GemmProblem problem{130, 70, 40};
  problem.dtype = DType::bf16;
  const cpu::PackedTiles tiles = amx_tile_sets().front();
  cpu::AmxConfiguration foreign;
  foreign.palette = 1, foreign.rows[0] = 3, foreign.row_bytes[0] = 8;
  FunctionalAmx::of_this_thread().configure(foreign);
  EXPECT_EQ(fault(problem, 4, tiles), "");
  EXPECT_FALSE(FunctionalAmx::of_this_thread().configured());

  cpu::TileSet unconfigured = test::functional_amx_tiles();
  unconfigured.begin = nullptr;
  EXPECT_NE(fault(problem, 4, {&unconfigured, cpu::PackFormat::bf16_amx}), "");
}

TEST(CpuBlockedAmx, SaysWhatItRunsOn) {
  for (const cpu::PackedTiles tiles : amx_tile_sets()) {
    GemmProblem problem{64, 64, 64};
    problem.dtype = DType::bf16;
    const std::string text = make_cpu_blocked_gemm(problem, 1, tiles)->description();
    EXPECT_EQ(text.find(std::string(tiles.tiles->name) + ", tile 32x32"), 0U) << text;
  }
}

TEST(CpuBlockedAmx, IsChosenWhereItIsGranted) {
  const cpu::PackedTiles best = cpu::best_tiles(DType::bf16);
  EXPECT_EQ(best.format == cpu::PackFormat::bf16_amx, cpu::amx_tiles() != nullptr);
  EXPECT_TRUE(cpu::amx_tiles() == nullptr || best.tiles == cpu::amx_tiles());
}

}  // namespace
}  // namespace assay
