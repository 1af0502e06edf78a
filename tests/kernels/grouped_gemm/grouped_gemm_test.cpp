// The arithmetic of the contract: where groups lie, and which GEMM each of them is.
#include "kernels/grouped_gemm/grouped_gemm.h"

#include <gtest/gtest.h>

namespace assay {
namespace {

GroupedGemmProblem problem(GroupedPass pass, DType dtype = DType::bf16) {
  return {pass, 3, 5, {128, 0, 1, 130}, dtype, {}};
}

TEST(GroupedGemm, GroupsStartAtMultiplesOfTheAlignment) {
  const GroupedGemmProblem p = problem(GroupedPass::forward);
  EXPECT_EQ(p.first_rows(), (std::vector<std::int64_t>{0, 128, 128, 256, 512}));
  EXPECT_EQ(p.total_rows(), 259);
  EXPECT_EQ(p.groups(), 4);
}

TEST(GroupedGemm, EachGroupIsTheGemmOfItsPass) {
  const GemmProblem forward = problem(GroupedPass::forward).gemm_of_rows(7);
  EXPECT_EQ(forward.layout, GemmLayout::tn);
  EXPECT_EQ(std::tuple(forward.m, forward.n, forward.k), std::tuple(7, 3, 5));
  const GemmProblem dgrad = problem(GroupedPass::dgrad).gemm_of_rows(7);
  EXPECT_EQ(dgrad.layout, GemmLayout::nn);
  EXPECT_EQ(std::tuple(dgrad.m, dgrad.n, dgrad.k), std::tuple(7, 5, 3));
  const GemmProblem wgrad = problem(GroupedPass::wgrad).gemm_of_rows(7);
  EXPECT_EQ(wgrad.layout, GemmLayout::nt);
  EXPECT_EQ(std::tuple(wgrad.m, wgrad.n, wgrad.k), std::tuple(3, 5, 7));
}

TEST(GroupedGemm, OutputsAreOfTheOperandsTypeAndGradientsOfWeightsFp32) {
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    EXPECT_EQ(problem(GroupedPass::forward, dtype).output(), dtype);
    EXPECT_EQ(problem(GroupedPass::dgrad, dtype).output(), dtype);
    EXPECT_EQ(problem(GroupedPass::wgrad, dtype).output(), DType::f32);
  }
  EXPECT_EQ(problem(GroupedPass::forward, DType::tf32).output(), DType::f32);
}

TEST(GroupedGemm, BuffersOfAGroup) {
  std::vector<char> a(10000), b(10000), d(10000);
  const GroupedGemmBuffers whole{a.data(), b.data(), d.data(), nullptr};
  const auto offsets = [&](GroupedPass pass) {
    const GemmBuffers group = buffers_of_group(problem(pass), whole, 3, 256);
    return std::tuple(static_cast<const char*>(group.a) - a.data(), static_cast<const char*>(group.b) - b.data(),
                      static_cast<const char*>(group.d) - d.data());
  };
  EXPECT_EQ(offsets(GroupedPass::forward), std::tuple(256 * 5 * 2, 3 * 15 * 2, 256 * 3 * 2));
  EXPECT_EQ(offsets(GroupedPass::dgrad), std::tuple(256 * 3 * 2, 3 * 15 * 2, 256 * 5 * 2));
  EXPECT_EQ(offsets(GroupedPass::wgrad), std::tuple(256 * 3 * 2, 256 * 5 * 2, 3 * 15 * 4));
  EXPECT_EQ(buffers_of_group(problem(GroupedPass::wgrad), {}, 3, 256).d, nullptr);
}

TEST(GroupedGemm, ElementsOfWholeOperands) {
  const GroupedGemmElements forward = elements_of(problem(GroupedPass::forward), 512);
  EXPECT_EQ(std::tuple(forward.a, forward.b, forward.d), std::tuple(512 * 5, 4 * 15, 512 * 3));
  const GroupedGemmElements dgrad = elements_of(problem(GroupedPass::dgrad), 512);
  EXPECT_EQ(std::tuple(dgrad.a, dgrad.b, dgrad.d), std::tuple(512 * 3, 4 * 15, 512 * 5));
  const GroupedGemmElements wgrad = elements_of(problem(GroupedPass::wgrad), 512);
  EXPECT_EQ(std::tuple(wgrad.a, wgrad.b, wgrad.d), std::tuple(512 * 3, 512 * 5, 4 * 15));
}

TEST(GroupedGemm, PassesParseTheirNames) {
  GroupedPass pass{};
  for (const GroupedPass expected : {GroupedPass::forward, GroupedPass::dgrad, GroupedPass::wgrad}) {
    ASSERT_TRUE(parse_pass(name(expected), pass));
    EXPECT_EQ(pass, expected);
  }
  EXPECT_FALSE(parse_pass("backward", pass));
}

}  // namespace
}  // namespace assay
