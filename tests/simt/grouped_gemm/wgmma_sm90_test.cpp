// Grouped wgmma_sm90 on the functional GPU: every pass and tile under every asynchrony policy.
#include <gtest/gtest.h>

#include <set>

#include "tests/simt/grouped_gemm/grouped_on_simt.h"

namespace assay {
namespace {

using simt::Async;

const simt::ptx::Module& module_of(DType dtype) {
  static const simt::ptx::Module bf16(simt::ptx::ptx_text(ASSAY_PTX_DIR, "grouped_wgmma_bf16_sm90"));
  static const simt::ptx::Module f16(simt::ptx::ptx_text(ASSAY_PTX_DIR, "grouped_wgmma_f16_sm90"));
  return dtype == DType::bf16 ? bf16 : f16;
}

/// Fails where the result is wrong under any policy; returns the kernel that ran.
std::string check(const GroupedGemmProblem& problem, int multiprocessors) {
  GroupedOnSimt gemm(problem, multiprocessors);
  for (const Async async : {Async::Lazy, Async::Eager, Async::Random}) {
    simt::Options options;
    options.async = async;
    options.shuffle_schedule = async == Async::Random;
    options.global_races = true;
    options.cta_order = async == Async::Lazy ? simt::CtaOrder::Sequential : simt::CtaOrder::RoundRobin;
    try {
      EXPECT_EQ(gemm.run(module_of(problem.dtype), options), "") << gemm.describe();
      EXPECT_EQ(gemm.stats().bank_conflicts, 0u) << gemm.describe();
    } catch (const simt::Error& fault) {
      ADD_FAILURE() << gemm.describe() << ": " << fault.what();
    }
  }
  return gemm.kernel();
}

struct Shape {
  std::vector<std::int64_t> rows;
  std::int64_t n, k;
};

// Groups without rows first, last and between; of one row, of a whole tile, of a row more; n and k with ragged tiles
// (but for the passes that must not have them); a k shorter than the ring, and one longer.
const Shape kShapes[] = {
    {{0, 130, 0, 0, 257, 1}, 384, 200},
    {{0, 128, 0}, 128, 520},
    {{5}, 256, 8},
};

class GroupedWgmma : public testing::TestWithParam<std::tuple<GroupedPass, std::string>> {};

TEST_P(GroupedWgmma, IsRightForUnevenAndEmptyGroups) {
  const auto& [pass, config] = GetParam();
  for (const Shape& s : kShapes) check({pass, s.n, s.k, s.rows, DType::bf16, config}, 5);
}

std::string test_name(const testing::TestParamInfo<GroupedWgmma::ParamType>& info) {
  std::string text = std::string(name(std::get<0>(info.param))) + "_" + std::get<1>(info.param);
  for (char& c : text)
    if (c == '/') c = '_';
  return text;
}

INSTANTIATE_TEST_SUITE_P(PassesAndConfigurations, GroupedWgmma,
                         testing::Combine(testing::Values(GroupedPass::forward, GroupedPass::dgrad, GroupedPass::wgrad),
                                          testing::Values("128x256x64/c2n", "128x256x64/c1", "128x128x64/c2n",
                                                          "128x128x64/c1")),
                         test_name);

TEST(GroupedWgmmaTypes, F16InEveryPass) {
  for (const GroupedPass pass : {GroupedPass::forward, GroupedPass::dgrad, GroupedPass::wgrad})
    for (const char* config : {"128x256x64/c2n", "128x128x64/c2n"})
      check({pass, 128, 136, {40, 0, 129}, DType::f16, config}, 3);
}

// The choice of the model, on one cluster and on more clusters than there are tiles.
TEST(GroupedWgmmaGrids, OneClusterAndIdleMultiprocessors) {
  for (const GroupedPass pass : {GroupedPass::forward, GroupedPass::dgrad, GroupedPass::wgrad})
    for (const int multiprocessors : {1, 132}) check({pass, 128, 264, {3, 150}, DType::bf16, {}}, multiprocessors);
}

TEST(GroupedWgmmaPlans, EveryInstanceIsCompiled) {
  std::set<std::string> names;
  for (int i = 0; i < kGroupedWgmmaInstanceCount; ++i) {
    const GroupedWgmmaInstance& instance = kGroupedWgmmaInstances[i];
    EXPECT_TRUE(names.insert(instance.kernel).second) << instance.kernel;
    EXPECT_NO_THROW(module_of(instance.dtype).kernel(instance.kernel)) << instance.kernel;
  }
  EXPECT_EQ(names.size(), 12u);
}

}  // namespace
}  // namespace assay
