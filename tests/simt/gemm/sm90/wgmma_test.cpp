// Every instance of wgmma_sm90 on the functional GPU, in every configuration, and its launch plans.
#include <gtest/gtest.h>

#include <set>

#include "tests/simt/gemm/sm90/wgmma_on_simt.h"
#include "tests/simt/tensor_map_encoder.h"

namespace assay {
namespace {

using simt::Async;
using simt::CtaOrder;

struct Extents {
  std::int64_t m, n, k;
};

// Multiples of 8: rows must be multiples of 16 bytes in every layout.
constexpr Extents kShapes[] = {
    {8, 8, 8},        // one corner of one tile
    {256, 512, 256},  // whole tiles, one per CTA of the cluster
    {200, 264, 392},  // ragged everywhere, more k than the ring holds
    {520, 72, 72},    // one column of tiles; the second CTA of a pair along m or n computes nothing
};
constexpr Extents kDeep = {136, 264, 648};  // enough k for three slices

const simt::ptx::Module& module_of(DType dtype) {
  static const simt::ptx::Module bf16(simt::ptx::ptx_text(ASSAY_PTX_DIR, "wgmma_bf16_sm90"));
  static const simt::ptx::Module f16(simt::ptx::ptx_text(ASSAY_PTX_DIR, "wgmma_f16_sm90"));
  static const simt::ptx::Module tf32(simt::ptx::ptx_text(ASSAY_PTX_DIR, "wgmma_tf32_sm90"));
  return dtype == DType::bf16 ? bf16 : dtype == DType::f16 ? f16 : tf32;
}

struct Combination {
  DType dtype;
  GemmLayout layout;
  bool accumulate;
};

std::string combination_name(const testing::TestParamInfo<Combination>& info) {
  return std::string(name(info.param.dtype)) + "_" + name(info.param.layout) +
         (info.param.accumulate ? "_accumulating" : "");
}

class WgmmaSm90 : public testing::TestWithParam<Combination> {
 protected:
  GemmProblem problem(const Extents& e, const std::string& config = {}) const {
    GemmProblem p;
    p.m = e.m, p.n = e.n, p.k = e.k;
    p.dtype = GetParam().dtype, p.layout = GetParam().layout, p.accumulate = GetParam().accumulate;
    p.config = config;
    return p;
  }
  void check(WgmmaSm90OnSimt& gemm, const simt::Options& options) const {
    try {
      EXPECT_EQ(gemm.run(module_of(GetParam().dtype), options), "") << gemm.describe();
      EXPECT_EQ(gemm.stats().bank_conflicts, 0u) << gemm.describe();
    } catch (const simt::Error& fault) {
      ADD_FAILURE() << gemm.describe() << ": " << fault.what();
    }
  }
};

TEST_P(WgmmaSm90, IsRightUnderEveryPolicyAndSchedule) {
  std::uint64_t seed = 1;
  for (const Extents& e : kShapes) {
    WgmmaSm90OnSimt gemm(problem(e), 4);
    for (const Async async : {Async::Lazy, Async::Eager, Async::Random}) {
      simt::Options options;
      options.async = async;
      options.shuffle_schedule = async == Async::Random;
      options.seed = seed++;
      check(gemm, options);
    }
  }
}

TEST_P(WgmmaSm90, IsRightInEveryTileAndClusterWholeAndSliced) {
  simt::Options options;
  options.async = Async::Random;
  options.shuffle_schedule = true;
  options.cta_order = CtaOrder::Random;
  WgmmaSm90OnSimt gemm(problem(kDeep), 4);
  for (const WgmmaSm90Config& config : wgmma_sm90_configs(problem(kDeep))) {
    const bool another_kernel = config.cluster_m == 2;  // clusters and slices are no part of an instance
    if ((config.slices != 1 && config.slices != 3) || (GetParam().dtype == DType::f16 && !another_kernel)) continue;
    gemm.use(config);
    options.global_races = config.slices > 1;
    ++options.seed;
    check(gemm, options);
  }
}

constexpr Combination kCombinations[] = {
    {DType::bf16, GemmLayout::tn, false}, {DType::bf16, GemmLayout::nn, false}, {DType::bf16, GemmLayout::nt, false},
    {DType::bf16, GemmLayout::nn, true},  {DType::f16, GemmLayout::tn, false},  {DType::f16, GemmLayout::nn, false},
    {DType::f16, GemmLayout::nt, false},  {DType::tf32, GemmLayout::tn, false}, {DType::tf32, GemmLayout::tn, true},
};
INSTANTIATE_TEST_SUITE_P(All, WgmmaSm90, testing::ValuesIn(kCombinations), combination_name);

// Several slices of several tiles per cluster, whole tiles after them, under every order of the CTAs.
TEST(WgmmaSm90Slices, AreAddedUpWhateverTheOrderOfTheClusters) {
  GemmProblem p{640, 768, 584, GemmLayout::tn, DType::bf16};
  p.config = "128x256x64/c2m/s2";
  WgmmaSm90OnSimt gemm(p, 4);
  ASSERT_GT(gemm.choice().schedule.sliced_tiles, 0);
  ASSERT_LT(gemm.choice().schedule.sliced_tiles, gemm.choice().schedule.tiles());
  for (const CtaOrder order : {CtaOrder::Sequential, CtaOrder::RoundRobin, CtaOrder::Random}) {
    simt::Options options;
    options.async = Async::Random;
    options.cta_order = order;
    options.global_races = true;
    EXPECT_EQ(gemm.run(module_of(DType::bf16), options), "");
  }
}

TEST(WgmmaSm90Plans, EveryInstanceIsCompiled) {
  for (int i = 0; i < kWgmmaSm90InstanceCount; ++i)
    EXPECT_NO_THROW(module_of(kWgmmaSm90Instances[i].dtype).kernel(kWgmmaSm90Instances[i].kernel))
        << kWgmmaSm90Instances[i].kernel;
}

TEST(WgmmaSm90Plans, RefusesMisalignedBuffers) {
  const GemmProblem p{256, 256, 256, GemmLayout::tn, DType::bf16};
  alignas(16) static char memory[32];
  EXPECT_THROW(plan_wgmma_sm90(p, {memory, memory, memory + 8}, small_hopper(4), {}, encode_tensor_map),
               std::runtime_error);
  EXPECT_NO_THROW(plan_wgmma_sm90(p, {memory, memory, memory + 16}, small_hopper(4), {}, encode_tensor_map));
}

TEST(TensorMaps, SayWhatTheDriverRefuses) {
  alignas(16) static char memory[16];
  EXPECT_NO_THROW(
      make_tensor_map(encode_tensor_map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, memory, {{256, 2, 64}, {100, 512, 128}}));
  try {  // 128 elements are 256 bytes, twice what the swizzle spans
    make_tensor_map(encode_tensor_map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, memory, {{256, 2, 128}, {100, 512, 128}});
    ADD_FAILURE() << "accepted";
  } catch (const std::runtime_error& refusal) {
    EXPECT_NE(std::string(refusal.what()).find("256 (box 128) x 100 (box 128)"), std::string::npos) << refusal.what();
  }
  EXPECT_THROW(tensor_map_type(DType::e2m1), std::runtime_error);
}

TEST(WgmmaSm90Plans, FitTheSharedMemoryOfAMultiprocessor) {
  alignas(16) static char memory[16];
  GemmProblem p{256, 256, 256, GemmLayout::tn, DType::bf16};
  for (const WgmmaSm90Config& config : wgmma_sm90_configs(p)) {
    p.config = name(config, p.dtype);
    const auto plan = plan_wgmma_sm90(p, {memory, memory, memory}, small_hopper(4), {}, encode_tensor_map);
    EXPECT_LE(plan.shared_bytes, 232448u) << p.config;
    EXPECT_EQ(plan.grid.x % plan.cluster.x, 0u) << p.config;
    EXPECT_LE(plan.grid.x, 4u) << p.config;
  }
}

}  // namespace
}  // namespace assay
