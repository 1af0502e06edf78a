// Every CPU kernel of the GEMM table against fp64.
#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <limits>

#include "kernels/gemm/gemm.h"
#include "tests/kernels/gemm/gemm_check.h"

namespace assay {
namespace {

using test::GemmFixture;
using test::text;

struct Shape {
  std::int64_t m, n, k;
};

// One, one row, one column, primes, just over and under tiles (14 x 32, 6 x 16) and packing pieces (4, 8), several
// blocks of rows (280), of columns (2048) and of k (768 and 1536), and k far larger than the rest.
const Shape kShapes[] = {{1, 1, 1},      {1, 1, 2},     {1, 97, 3},   {97, 1, 5},     {2, 3, 4},     {13, 31, 7},
                         {14, 32, 8},    {15, 33, 9},   {28, 64, 16}, {127, 131, 61}, {281, 67, 33}, {37, 53, 769},
                         {29, 47, 1537}, {3, 2081, 19}, {571, 5, 11}, {1, 1, 50021},  {5, 3, 20011}, {1123, 9, 1601}};
const GemmLayout kLayouts[] = {GemmLayout::tn, GemmLayout::nn, GemmLayout::nt};

std::vector<const GemmKernel*> cpu_kernels() {
  std::vector<const GemmKernel*> kernels;
  for (const GemmKernel& kernel : gemm_kernels())
    if (kernel.device == Device::cpu) kernels.push_back(&kernel);
  return kernels;
}

std::vector<const GemmKernel*> f32_kernels() {
  std::vector<const GemmKernel*> kernels;
  for (const GemmKernel* kernel : cpu_kernels())
    if (std::find(kernel->dtypes.begin(), kernel->dtypes.end(), DType::f32) != kernel->dtypes.end())
      kernels.push_back(kernel);
  return kernels;
}

Target cpu_target(int threads) {
  Target target;
  target.threads = threads;
  return target;
}

template <class Test>
void for_each_problem(Test test) {
  for (const GemmKernel* kernel : cpu_kernels())
    for (const DType dtype : kernel->dtypes)
      for (const GemmLayout layout : kLayouts)
        for (const Shape& s : kShapes) {
          const GemmProblem problem{s.m, s.n, s.k, layout, dtype};
          SCOPED_TRACE(kernel->name + " " + text(problem));
          test(*kernel, problem);
        }
}

TEST(CpuGemm, TableHoldsOurKernelFirst) {
  ASSERT_FALSE(cpu_kernels().empty());
  EXPECT_EQ(cpu_kernels().front()->name, "cpu_blocked");
  EXPECT_FALSE(cpu_kernels().front()->vendor);
}

TEST(CpuGemm, MatchesTheReferenceForRaggedShapes) {
  for_each_problem([](const GemmKernel& kernel, const GemmProblem& problem) {
    GemmFixture fixture(problem);
    for (const int threads : {1, 2}) {
      fixture.reset();
      const Target target = cpu_target(threads);
      ASSERT_TRUE(kernel.supports(problem, target).ok());
      const auto operation = kernel.prepare(problem, target, {fixture.buffers()}, nullptr);
      operation->launch(fixture.buffers(), nullptr);
      EXPECT_EQ(fixture.fault(), "") << threads << " threads";
    }
  });
}

TEST(CpuGemm, MoreThreadsThanTiles) {
  for (const GemmKernel* kernel : f32_kernels())
    for (const Shape& s : {Shape{1, 1, 3}, Shape{15, 33, 20}, Shape{100, 300, 50}}) {
      const GemmProblem problem{s.m, s.n, s.k, GemmLayout::tn, DType::f32};
      SCOPED_TRACE(kernel->name + " " + text(problem));
      GemmFixture fixture(problem);
      kernel->prepare(problem, cpu_target(7), {fixture.buffers()}, nullptr)->launch(fixture.buffers(), nullptr);
      EXPECT_EQ(fixture.fault(), "");
    }
}

// A second launch must not depend on what the first left in a workspace; where the layout adds, it adds again.
TEST(CpuGemm, RepeatedLaunchesGiveTheSameBits) {
  for (const GemmKernel* kernel : cpu_kernels())
    for (const DType dtype : kernel->dtypes)
      for (const GemmLayout layout : kLayouts) {
        const GemmProblem problem{61, 77, 1601, layout, dtype};
        SCOPED_TRACE(kernel->name + " " + text(problem));
        GemmFixture fixture(problem);
        const auto operation = kernel->prepare(problem, cpu_target(2), {fixture.buffers()}, nullptr);
        const std::size_t bytes = static_cast<std::size_t>(problem.m * problem.n) * size_bytes(problem.output());
        operation->launch(fixture.buffers(), nullptr);
        const std::vector<char> first(static_cast<char*>(fixture.d()), static_cast<char*>(fixture.d()) + bytes);
        fixture.reset();
        operation->launch(fixture.buffers(), nullptr);
        EXPECT_EQ(std::memcmp(first.data(), fixture.d(), bytes), 0);
      }
}

TEST(CpuGemm, LeavesOpenMpThreadCountAlone) {
  const int before = omp_get_max_threads();
  for (const GemmKernel* kernel : f32_kernels()) {
    const GemmProblem problem{64, 64, 64, GemmLayout::nn, DType::f32};
    GemmFixture fixture(problem);
    kernel->prepare(problem, cpu_target(1), {fixture.buffers()}, nullptr)->launch(fixture.buffers(), nullptr);
    EXPECT_EQ(omp_get_max_threads(), before) << kernel->name;
  }
}

TEST(CpuGemm, NanAndInfinityReachOnlyTheirRowsAndColumns) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const GemmKernel* kernel : f32_kernels()) {
    const GemmProblem problem{17, 35, 6, GemmLayout::tn, DType::f32};
    GemmFixture fixture(problem);
    store_element(DType::f32, fixture.a(), problem.a_index(16, 5), infinity);
    store_element(DType::f32, fixture.b(), problem.b_index(0, 34), std::nanf(""));
    kernel->prepare(problem, cpu_target(1), {fixture.buffers()}, nullptr)->launch(fixture.buffers(), nullptr);
    for (std::int64_t i = 0; i < problem.m; ++i)
      for (std::int64_t j = 0; j < problem.n; ++j) {
        const double got = load_element(DType::f32, fixture.d(), i * problem.n + j);
        EXPECT_EQ(std::isfinite(got), i != 16 && j != 34) << kernel->name << " d[" << i << ", " << j << "]";
      }
  }
}

// The comparison itself: what it must notice.
TEST(GemmCheck, NoticesPlantedFaults) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const GemmProblem problem{23, 41, 130, GemmLayout::tn, dtype};
    GemmFixture fixture(problem);
    const auto operation = cpu_kernels().front()->prepare(problem, cpu_target(1), {fixture.buffers()}, nullptr);
    EXPECT_NE(fixture.fault(), "") << "nothing written: still NaN";
    operation->launch(fixture.buffers(), nullptr);
    ASSERT_EQ(fixture.fault(), "");

    // One product of 130 left out.
    const double right = load_element(problem.output(), fixture.d(), 5 * problem.n + 7);
    const double product = load_element(dtype, fixture.a(), problem.a_index(5, 64)) *
                           load_element(dtype, fixture.b(), problem.b_index(64, 7));
    store_element(problem.output(), fixture.d(), 5 * problem.n + 7, right - product);
    EXPECT_NE(fixture.fault(), "");
    // The last element never written.
    store_element(problem.output(), fixture.d(), 5 * problem.n + 7, right);
    ASSERT_EQ(fixture.fault(), "");
    store_element(problem.output(), fixture.d(), problem.m * problem.n - 1, std::nan(""));
    EXPECT_NE(fixture.fault(), "");
  }
  const GemmProblem problem{3, 3, 3, GemmLayout::tn, DType::f32};
  GemmFixture fixture(problem);
  cpu_kernels().front()->prepare(problem, cpu_target(1), {}, nullptr)->launch(fixture.buffers(), nullptr);
  static_cast<std::uint8_t*>(fixture.d())[36] ^= 1;
  EXPECT_EQ(fixture.fault(), "wrote outside d");
}

TEST(GemmLayouts, ParseTheirNames) {
  GemmLayout layout = GemmLayout::tn;
  for (const GemmLayout expected : kLayouts) {
    ASSERT_TRUE(parse_layout(name(expected), layout));
    EXPECT_EQ(layout, expected);
  }
  EXPECT_FALSE(parse_layout("tt", layout));
  EXPECT_FALSE(parse_layout("", layout));
}

}  // namespace
}  // namespace assay
