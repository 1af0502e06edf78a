// wgmma_fp8_sm90 on the functional GPU: both pairs of types, both scalings, both outputs, every configuration.
#include "kernels/gemm/sm90/wgmma_fp8.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/simt/gemm/sm90/wgmma_fp8_on_simt.h"
#include "tests/simt/tensor_map_encoder.h"

namespace assay {
namespace {

using simt::Async;

struct Extents {
  std::int64_t m, n, k;
};

// Tiles are 128 x (256, 192 or 128) x 128 in rings of four to six stages.
constexpr Extents kShapes[] = {
    {1, 8, 16},                         // the least that rows of 16 bytes allow
    {128, 256, 128},  {256, 384, 256},  // whole tiles
    {200, 264, 400},                    // ragged everywhere, k by 16
    {131, 520, 144},                    // factors of a in rows padded from 131 to 132
    {300, 392, 1040},                   // several tiles per CTA, more k than the ring holds
};

const simt::ptx::Module& module() {
  static const simt::ptx::Module all(simt::ptx_text(ASSAY_PTX_DIR, "wgmma_fp8_sm90"));
  return all;
}

struct Combination {
  DType dtype;
  GemmScaling scaling;
  bool accumulate;
};

GemmProblem problem_at(const Combination& c, const Extents& e, const std::string& config = {}) {
  GemmProblem p;
  p.m = e.m, p.n = e.n, p.k = e.k;
  p.dtype = c.dtype, p.scaling = c.scaling, p.accumulate = c.accumulate;
  p.config = config;
  return p;
}

simt::Stats check(const GemmProblemOnSimt& problem, Async async, std::uint64_t seed = 1,
                  const std::string& config = {}) {
  simt::Options options;
  options.async = async;
  options.shuffle_schedule = async == Async::Random;
  options.seed = seed;
  simt::Stats stats;
  try {
    EXPECT_EQ(run_wgmma_fp8_sm90(module(), problem, config, options, &stats), "")
        << describe(problem.problem()) << config;
  } catch (const simt::Error& fault) {
    ADD_FAILURE() << describe(problem.problem()) << config << ": " << fault.what();
  }
  return stats;
}

std::string combination_name(const testing::TestParamInfo<Combination>& info) {
  return std::string(name(info.param.dtype)) + "_" + name(info.param.scaling) +
         (info.param.accumulate ? "_accumulate" : "");
}

class WgmmaFp8Sm90 : public testing::TestWithParam<Combination> {};

TEST_P(WgmmaFp8Sm90, IsRightWithCopiesLateEarlyAndShuffled) {
  for (std::uint64_t seed = 1; const Extents& e : kShapes) {
    const GemmProblemOnSimt problem(problem_at(GetParam(), e));
    for (const Async async : {Async::Lazy, Async::Eager, Async::Random}) check(problem, async, seed++);
  }
}

TEST_P(WgmmaFp8Sm90, IsRightAndFreeOfBankConflictsInEveryConfiguration) {
  // 9 blocks of 128: two slices at most.  In clusters along n a CTA's tile lies wholly outside.
  const GemmProblemOnSimt problem(problem_at(GetParam(), {136, 200, 1040}));
  std::uint64_t count = 0;
  for (const WgmmaSm90Config& config : wgmma_sm90_configs(problem.problem())) {
    const std::string named = name(config, problem.problem().dtype);
    ++count;
    // Types and clusters do not know of each other.
    if (GetParam().dtype == DType::e5m2 && (config.cluster_m == 1 || config.slices > 1)) continue;
    EXPECT_EQ(check(problem, count % 2 ? Async::Lazy : Async::Random, count, named).bank_conflicts, 0u) << named;
  }
  const std::uint64_t tiles = GetParam().scaling == GemmScaling::block ? 2 : 3;
  EXPECT_EQ(count, tiles * 3 * 2);  // clusters along m, along n, none; one slice or two
}

constexpr Combination kCombinations[] = {
    {DType::e4m3, GemmScaling::tensor, false}, {DType::e4m3, GemmScaling::tensor, true},
    {DType::e4m3, GemmScaling::block, false},  {DType::e4m3, GemmScaling::block, true},
    {DType::e5m2, GemmScaling::tensor, false}, {DType::e5m2, GemmScaling::tensor, true},
    {DType::e5m2, GemmScaling::block, false},  {DType::e5m2, GemmScaling::block, true},
};
INSTANTIATE_TEST_SUITE_P(All, WgmmaFp8Sm90, testing::ValuesIn(kCombinations), combination_name);

LaunchPlan<WgmmaFp8Sm90Params> plan_of(const GemmProblem& p, const GemmBuffers& buffers) {
  return plan_wgmma_fp8_sm90(p, buffers, hopper(), {}, encode_tensor_map);
}

TEST(WgmmaFp8Sm90Plans, EveryInstanceIsCompiledAndReached) {
  std::set<std::string> reached;
  for (const Combination& c : kCombinations)
    for (const WgmmaSm90Config& config : wgmma_sm90_configs(problem_at(c, {264, 392, 1040})))
      reached.insert(plan_of(problem_at(c, {264, 392, 1040}, name(config, c.dtype)), {}).kernel);
  EXPECT_EQ(reached.size(), std::size_t(kWgmmaFp8Sm90InstanceCount));
  for (int i = 0; i < kWgmmaFp8Sm90InstanceCount; ++i) {
    const char* kernel = kWgmmaFp8Sm90Instances[i].kernel;
    EXPECT_TRUE(reached.count(kernel)) << kernel;
    EXPECT_NO_THROW(module().kernel(kernel)) << kernel;
  }
}

TEST(WgmmaFp8Sm90Plans, SaysWhyAProblemDoesNotFit) {
  const auto reason = [](const GemmProblem& p) { return supports_wgmma_fp8_sm90(p, hopper(132)).reason; };
  GemmProblem p = problem_at(kCombinations[0], {256, 256, 256});
  EXPECT_EQ(reason(p), "");
  p.layout = GemmLayout::nn;
  EXPECT_NE(reason(p).find("contiguous k"), std::string::npos);
  p.layout = GemmLayout::nt;
  EXPECT_NE(reason(p).find("contiguous k"), std::string::npos);
  p.layout = GemmLayout::tn, p.scaling = GemmScaling::mx;
  EXPECT_NE(reason(p).find("mx"), std::string::npos);
  p.scaling = GemmScaling::block, p.k = 264;  // rows of 264 bytes
  EXPECT_NE(reason(p).find("16 bytes"), std::string::npos);
  p.k = 256, p.n = 260;  // d's rows of 520 bytes in bf16, but of 1040 in fp32
  EXPECT_NE(reason(p).find("16 bytes"), std::string::npos);
  p.accumulate = true;
  EXPECT_EQ(reason(p), "");
  p.config = "128x256x128/c1/s1";  // block scaling has no registers for it
  EXPECT_NE(reason(p).find("128x192x128/c1/s1"), std::string::npos);
  p.config = "";
  Target other = hopper(132);
  other.compute_capability = 100;
  EXPECT_NE(supports_wgmma_fp8_sm90(p, other).reason.find("9.0"), std::string::npos);
}

TEST(WgmmaFp8Sm90Plans, RefusesBuffersThatBulkCopiesCannotAddress) {
  const GemmProblem p = problem_at({DType::e4m3, GemmScaling::block, false}, {128, 128, 128});
  alignas(16) static unsigned char memory[32];
  EXPECT_NO_THROW(plan_of(p, {memory, memory, memory, nullptr, nullptr, memory, memory}));
  EXPECT_THROW(plan_of(p, {memory + 4, memory, memory, nullptr, nullptr, memory, memory}), std::runtime_error);
  EXPECT_THROW(plan_of(p, {memory, memory, memory, nullptr, nullptr, memory + 4, memory}), std::runtime_error);
}

}  // namespace
}  // namespace assay
