// Every instance of our CUDA GEMM kernels on the functional GPU, and their launch plans.
#include <gtest/gtest.h>

#include <set>

#include "kernels/gemm/cuda/simt_f32.h"
#include "kernels/gemm/sm80/mma.h"
#include "tests/simt/gemm/gemm_on_simt.h"

namespace assay {
namespace {

using simt::Async;

struct Extents {
  std::int64_t m, n, k;
};

// Tiles are 128 x 256 x (32 or 16) in four stages, and 128 x 128 x 16 in two buffers.
constexpr Extents kShapes[] = {
    {1, 1, 1},                         // one element
    {1, 300, 64},    {131, 1, 33},     // a single row, a single column
    {64, 48, 1},                       // k = 1
    {131, 67, 45},                     // odd everywhere: nothing is aligned
    {130, 258, 46},                    // even everywhere: rows on 4-byte boundaries
    {200, 264, 168}, {256, 256, 128},  // 16-byte copies, ragged tiles and whole ones
    {16, 24, 264},                     // more k than the ring holds, small tile
    {300, 600, 40},                    // 3 x 3 tiles: two raster groups, the last one lower
};

const simt::ptx::Module& module_of(const std::string& kernel) {
  static const simt::ptx::Module mma(simt::ptx::ptx_text(ASSAY_PTX_DIR, "mma_sm80"));
  static const simt::ptx::Module simt_f32(simt::ptx::ptx_text(ASSAY_PTX_DIR, "simt_f32"));
  return kernel == "mma_sm80" ? mma : simt_f32;
}

struct Combination {
  const char* kernel;
  DType dtype;
  GemmLayout layout;
};

std::string combination_name(const testing::TestParamInfo<Combination>& info) {
  return std::string(info.param.kernel) + "_" + name(info.param.dtype) + "_" + name(info.param.layout);
}

class GemmOnSimt : public testing::TestWithParam<Combination> {
 protected:
  GemmRun at(const Extents& e, int misalign = 0) const {
    GemmRun run;
    run.kernel = GetParam().kernel;
    run.problem = {e.m, e.n, e.k, GetParam().layout, GetParam().dtype};
    run.misalign = misalign;
    return run;
  }
  GemmOutcome check(const GemmRun& run, Async async, bool shuffle = false, std::uint64_t seed = 1) const {
    simt::Options options;
    options.async = async;
    options.shuffle_schedule = shuffle;
    options.seed = seed;
    try {
      const GemmOutcome outcome = run_gemm(module_of(run.kernel), run, options);
      EXPECT_EQ(outcome.wrong, "") << describe(run);
      return outcome;
    } catch (const simt::Error& fault) {
      ADD_FAILURE() << describe(run) << ": " << fault.what();
      return {};
    }
  }
};

TEST_P(GemmOnSimt, IsRightWithCopiesAsLateAsAllowed) {
  for (const Extents& e : kShapes) check(at(e), Async::Lazy);
}

TEST_P(GemmOnSimt, IsRightWithCopiesAsEarlyAsAllowed) {
  for (const Extents& e : kShapes) check(at(e), Async::Eager);
}

TEST_P(GemmOnSimt, IsRightUnderShuffledSchedules) {
  for (std::uint64_t seed = 1; const Extents& e : kShapes) check(at(e), Async::Random, true, seed++);
}

TEST_P(GemmOnSimt, TakesMisalignedPointers) {
  for (const Extents& e : {Extents{72, 80, 64}, Extents{37, 45, 53}}) check(at(e, 1), Async::Random);
}

TEST_P(GemmOnSimt, HasNoBankConflictsWhereRowsAreAligned) {
  for (const Extents& e : {Extents{256, 256, 128}, Extents{200, 264, 168}})
    EXPECT_EQ(check(at(e), Async::Lazy).stats.bank_conflicts, 0u) << describe(at(e));
}

constexpr Combination kCombinations[] = {
    {"mma_sm80", DType::bf16, GemmLayout::tn}, {"mma_sm80", DType::bf16, GemmLayout::nn},
    {"mma_sm80", DType::bf16, GemmLayout::nt}, {"mma_sm80", DType::f16, GemmLayout::tn},
    {"mma_sm80", DType::f16, GemmLayout::nn},  {"mma_sm80", DType::f16, GemmLayout::nt},
    {"mma_sm80", DType::tf32, GemmLayout::tn}, {"mma_sm80", DType::tf32, GemmLayout::nn},
    {"mma_sm80", DType::tf32, GemmLayout::nt}, {"simt_f32", DType::f32, GemmLayout::tn},
    {"simt_f32", DType::f32, GemmLayout::nn},  {"simt_f32", DType::f32, GemmLayout::nt},
};
INSTANTIATE_TEST_SUITE_P(All, GemmOnSimt, testing::ValuesIn(kCombinations), combination_name);

// Every name a plan can hold is a kernel of the compiled file, and is covered by the shapes above.
TEST(GemmPlans, EveryInstanceIsCompiledAndReached) {
  std::set<std::string> reached;
  for (const Combination& c : kCombinations)
    for (const Extents& e : kShapes) {
      GemmRun run;
      run.kernel = c.kernel;
      run.problem = {e.m, e.n, e.k, c.layout, c.dtype};
      reached.insert(plan(run, {}).kernel);
    }
  for (const MmaSm80Instance& i : kMmaSm80Instances) {
    EXPECT_TRUE(reached.count(i.kernel)) << i.kernel;
    EXPECT_NO_THROW(module_of("mma_sm80").kernel(i.kernel)) << i.kernel;
  }
  for (const SimtF32Instance& i : kSimtF32Instances) {
    EXPECT_TRUE(reached.count(i.kernel)) << i.kernel;
    EXPECT_NO_THROW(module_of("simt_f32").kernel(i.kernel)) << i.kernel;
  }
}

TEST(GemmPlans, GroupsTilesForTheFewestRowsInFlight) {
  EXPECT_EQ(raster_group(128, 256, 1), 1);
  EXPECT_EQ(raster_group(128, 256, 4), 2);     // 2 * 128 + 2 * 256 = 768
  EXPECT_EQ(raster_group(128, 256, 108), 16);  // 16 * 128 + 7 * 256 = 3840; 8 rows would need 4608
}

TEST(GemmPlans, SaysWhyAProblemDoesNotFit) {
  Target target;
  target.device = Device::gpu;
  target.compute_capability = 75;
  target.shared_bytes_per_block = 65536;
  GemmProblem problem{256, 256, 256, GemmLayout::tn, DType::bf16};
  EXPECT_NE(supports_mma_sm80(problem, target).reason.find("8.0"), std::string::npos);
  target.compute_capability = 80;
  EXPECT_NE(supports_mma_sm80(problem, target).reason.find("shared memory"), std::string::npos);
  target.shared_bytes_per_block = 101376;  // sm_86, sm_89 and sm_120
  EXPECT_TRUE(supports_mma_sm80(problem, target).ok());
  problem.k = std::int64_t(1) << 31;
  EXPECT_FALSE(supports_mma_sm80(problem, target).ok());
  EXPECT_FALSE(supports_simt_f32(problem, target).ok());
  problem = {std::int64_t(1) << 30, std::int64_t(1) << 30, 8, GemmLayout::tn, DType::f32};
  EXPECT_FALSE(supports_simt_f32(problem, target).ok());  // 2^46 tiles
}

}  // namespace
}  // namespace assay
