// Every CPU kernel of the grouped GEMM table against fp64.
#include <gtest/gtest.h>
#include <omp.h>

#include "kernels/gemm/cpu/blocked.h"
#include "kernels/grouped_gemm/cpu_kernels.h"
#include "kernels/grouped_gemm/gemm_loop.h"
#include "tests/kernels/common/functional_amx.h"
#include "tests/kernels/grouped_gemm/grouped_gemm_check.h"

namespace assay {
namespace {

using test::GroupedGemmFixture;
using test::text;

constexpr GroupedPass kPasses[] = {GroupedPass::forward, GroupedPass::dgrad, GroupedPass::wgrad};

struct Shape {
  std::vector<std::int64_t> rows;
  std::int64_t n, k;
};

// One row; exactly and just over the alignment; empty groups first, last, and several together; one group with almost
// all rows (cut across threads) beside small ones; nothing at all.
const Shape kShapes[] = {{{1}, 1, 1},
                         {{128}, 16, 32},
                         {{129, 127}, 33, 17},
                         {{0, 5, 0, 0, 70, 0}, 19, 40},
                         {{300, 3, 0, 4}, 65, 31},
                         {{7, 7, 7, 7, 7}, 8, 129},
                         {{0, 0}, 5, 6}};

std::vector<const GroupedGemmKernel*> cpu_kernels() {
  std::vector<const GroupedGemmKernel*> kernels;
  for (const GroupedGemmKernel& kernel : grouped_gemm_kernels())
    if (kernel.device == Device::cpu) kernels.push_back(&kernel);
  return kernels;
}

Target cpu_target(int threads) {
  Target target;
  target.threads = threads;
  return target;
}

std::unique_ptr<GroupedGemmOperation> prepare(const GroupedGemmKernel& kernel, GroupedGemmFixture& fixture,
                                              int threads) {
  EXPECT_EQ(kernel.supports(fixture.problem, cpu_target(threads)).reason, "");
  return kernel.prepare(fixture.problem, cpu_target(threads), {fixture.buffers()}, nullptr);
}

template <class Test>
void for_each_problem(Test test) {
  for (const GroupedGemmKernel* kernel : cpu_kernels())
    for (const DType dtype : kernel->dtypes)
      for (const GroupedPass pass : kPasses)
        for (const Shape& s : kShapes) {
          const GroupedGemmProblem problem{pass, s.n, s.k, s.rows, dtype, {}};
          SCOPED_TRACE(kernel->name + " " + text(problem));
          test(*kernel, problem);
        }
}

TEST(CpuGroupedGemm, TableHoldsOurKernelFirstAndALoopOverEachLibrary) {
  const auto kernels = cpu_kernels();
  ASSERT_FALSE(kernels.empty());
  EXPECT_EQ(kernels.front()->name, "cpu_blocked");
  EXPECT_FALSE(kernels.front()->vendor);
  for (const GemmKernel& gemm : gemm_kernels()) {
    if (gemm.device != Device::cpu || !gemm.vendor) continue;
    EXPECT_TRUE(std::any_of(kernels.begin(), kernels.end(), [&](const auto* k) {
      return k->vendor && k->name == gemm.name + "_loop";
    })) << gemm.name;
  }
}

TEST(CpuGroupedGemm, MatchesTheContract) {
  for_each_problem([](const GroupedGemmKernel& kernel, const GroupedGemmProblem& problem) {
    GroupedGemmFixture fixture(problem);
    for (const int threads : {1, 2, 3}) {
      fixture.reset();
      prepare(kernel, fixture, threads)->launch(fixture.buffers(), nullptr);
      EXPECT_EQ(fixture.fault(), "") << threads << " threads";
    }
  });
}

// Groups cut across threads and groups of one thread each: every thread configures its own tile unit.
TEST(CpuGroupedGemm, AmxOnTheFunctionalUnit) {
  GemmKernel gemm = *gemm_kernel_named("cpu_blocked");
  gemm.prepare = [](const GemmProblem& problem, const Target& target, const std::vector<GemmBuffers>& sets, Stream) {
    return make_cpu_blocked_gemm(problem, target.threads, {&test::functional_amx_tiles(), cpu::PackFormat::bf16_amx},
                                 sets);
  };
  const GroupedGemmKernel kernel = cpu_blocked_grouped_gemm(gemm);
  test::AmxFaults::take();
  for (const GroupedPass pass : kPasses)
    for (const Shape& s : kShapes) {
      GroupedGemmFixture fixture({pass, s.n, s.k, s.rows, DType::bf16, {}});
      SCOPED_TRACE(text(fixture.problem));
      for (const int threads : {1, 2, 3}) {
        fixture.reset();
        prepare(kernel, fixture, threads)->launch(fixture.buffers(), nullptr);
        EXPECT_EQ(fixture.fault(), "") << threads << " threads";
      }
    }
  EXPECT_EQ(test::AmxFaults::take(), "");
}

// What a launch leaves in a workspace must not reach the next.
TEST(CpuGroupedGemm, RepeatedLaunchesGiveTheSameBits) {
  for (const GroupedGemmKernel* kernel : cpu_kernels())
    for (const GroupedPass pass : kPasses) {
      const GroupedGemmProblem problem{pass, 40, 72, {130, 0, 9, 9}, DType::f32, {}};
      SCOPED_TRACE(kernel->name + " " + text(problem));
      GroupedGemmFixture fixture(problem);
      const auto operation = prepare(*kernel, fixture, 2);
      operation->launch(fixture.buffers(), nullptr);
      const std::vector<std::uint8_t> before(fixture.start.bytes());
      const auto* d = static_cast<const std::uint8_t*>(fixture.d());
      const std::vector<std::uint8_t> first(d, d + before.size());
      fixture.reset();
      operation->launch(fixture.buffers(), nullptr);
      EXPECT_EQ(std::memcmp(first.data(), fixture.d(), first.size()), 0);
    }
}

TEST(CpuGroupedGemm, LeavesOpenMpThreadCountAlone) {
  const int before = omp_get_max_threads();
  for (const GroupedGemmKernel* kernel : cpu_kernels()) {
    GroupedGemmFixture fixture({GroupedPass::forward, 64, 64, {64, 3}, DType::f32, {}});
    prepare(*kernel, fixture, 1)->launch(fixture.buffers(), nullptr);
    EXPECT_EQ(omp_get_max_threads(), before) << kernel->name;
  }
}

// The comparison itself: what it must notice.
TEST(GroupedGemmCheck, NoticesPlantedFaults) {
  for (const GroupedPass pass : kPasses) {
    const GroupedGemmProblem problem{pass, 24, 40, {30, 0, 20}, DType::f32, {}};
    GroupedGemmFixture fixture(problem);
    EXPECT_NE(fixture.fault(), "") << "nothing computed";
    prepare(*cpu_kernels().front(), fixture, 1)->launch(fixture.buffers(), nullptr);
    ASSERT_EQ(fixture.fault(), "");
    auto* d = static_cast<float*>(fixture.d());
    if (pass == GroupedPass::wgrad) {
      const float right = d[24 * 40 + 7];  // of the group without rows
      d[24 * 40 + 7] = std::nextafter(right, 100.0F);
      EXPECT_NE(fixture.fault(), "");
      d[24 * 40 + 7] = right;
    } else {
      const std::int64_t width = pass == GroupedPass::forward ? 24 : 40;
      d[100 * width] = 7;  // padding: anything goes
      EXPECT_EQ(fixture.fault(), "");
    }
    const float right = d[5];
    d[5] = std::nanf("");
    EXPECT_NE(fixture.fault(), "");
    d[5] = right;
    d[fixture.start.bytes().size() / 4] = 0;
    EXPECT_EQ(fixture.fault(), "wrote outside d");
  }
}

}  // namespace
}  // namespace assay
