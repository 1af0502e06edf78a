// Our CUDA peak kernels on the functional GPU, by the launch plans of the real launchers: every accumulator counts its
// steps, every byte is moved.
#include <gtest/gtest.h>

#include <cstring>

#include "kernels/peak/cuda_plans.h"
#include "tests/simt/simt.h"

namespace assay {
namespace {

constexpr int kMultiprocessors = 2;

Target target(int multiprocessors = kMultiprocessors) {
  Target out;
  out.device = Device::gpu;
  out.multiprocessors = multiprocessors;
  return out;
}

simt::ptx::Module module_of(const char* name) { return simt::ptx::Module(simt::ptx_text(ASSAY_PTX_DIR, name)); }

simt::Options options_for(const simt::DeviceHeap& heap, simt::Async async) {
  simt::Options options;
  options.async = async;
  options.heap = &heap;
  options.shuffle_schedule = async == simt::Async::Random;
  options.global_races = true;
  return options;
}

/// Two turns of the loop, of which a kernel that miscounts does one or three.
template <class Plan>
void check_arithmetic(const char* ptx, const PeakArithmeticShape& shape, PeakUnit unit, const Plan& make_plan) {
  const auto module = module_of(ptx);
  const PeakProblem problem{unit, shape.dtype, std::int64_t(2) * shape.steps_per_turn};
  ASSERT_TRUE(supports_steps(shape, problem, target()).ok());
  const PeakArithmetic arithmetic = arithmetic_of(shape, target());
  for (const auto async : {simt::Async::Lazy, simt::Async::Eager, simt::Async::Random}) {
    simt::DeviceHeap heap;
    auto* output = heap.poisoned<float>(std::size_t(arithmetic.accumulators));
    const auto plan = make_plan(problem, PeakBuffers{nullptr, output});
    const auto stats = simt::launch(module.kernel(plan.kernel), plan, options_for(heap, async));
    EXPECT_EQ(stats.bank_conflicts, 0u);
    for (std::int64_t i = 0; i < arithmetic.accumulators; ++i)
      ASSERT_EQ(output[i], float(peak_start(i) + arithmetic.increment * problem.size))
          << "wrong result: " << plan.kernel << " accumulator " << i;
  }
}

void check_arithmetic(const char* ptx, const PeakArithmeticShape& shape, PeakUnit unit) {
  check_arithmetic(ptx, shape, unit, [&](const PeakProblem& problem, const PeakBuffers& buffers) {
    return plan_arithmetic(shape, problem, buffers, target());
  });
}

TEST(PeakOnSimt, FmaF32CountsItsSteps) { check_arithmetic("peak_fma_f32", kFmaF32, PeakUnit::fma); }

TEST(PeakOnSimt, MmaSm80CountsItsSteps) {
  for (const auto& shape : kMmaSm80) check_arithmetic("peak_mma_sm80", shape, PeakUnit::tensor);
}

TEST(PeakOnSimt, WgmmaSm90CountsItsSteps) {
  for (const auto& shape : kWgmmaSm90) check_arithmetic("peak_wgmma_sm90", shape, PeakUnit::tensor);
}

TEST(PeakOnSimt, Tcgen05Sm100CountsItsSteps) {
  for (const auto& shape : kTcgen05Sm100)
    check_arithmetic("peak_tcgen05_sm100", shape, PeakUnit::tensor,
                     [](const PeakProblem& problem, const PeakBuffers& buffers) {
                       return plan_tcgen05(problem, buffers, target());
                     });
}

/// 16-byte vectors a thread: none or one, a whole group, a group and more; and a GPU with more CTAs than partials.
struct StreamCase {
  std::int64_t bytes;
  int multiprocessors;
};
constexpr StreamCase kStreamCases[] = {{4096, 1}, {64 * 4096, 1}, {100 * 4096, 1}, {17 * 4096, 2}};

class PeakStream : public testing::TestWithParam<simt::Async> {
 protected:
  simt::Stats launch(PeakUnit unit, const StreamCase& c, const PeakBuffers& buffers, const simt::DeviceHeap& heap) {
    static const auto module = module_of("peak_stream");
    const auto plan = plan_stream({unit, DType::f32, c.bytes}, buffers, target(c.multiprocessors));
    return simt::launch(module.kernel(plan.kernel), plan, options_for(heap, GetParam()));
  }
};

TEST_P(PeakStream, CopiesEveryByte) {
  for (const StreamCase& c : kStreamCases) {
    simt::DeviceHeap heap;
    const std::size_t words = std::size_t(c.bytes) / 4;
    auto* input = heap.poisoned<std::uint32_t>(words);
    auto* output = heap.poisoned<std::uint32_t>(words);
    for (std::size_t i = 0; i < words; ++i) input[i] = std::uint32_t(i) * 2654435761U;
    launch(PeakUnit::copy, c, {input, output}, heap);
    EXPECT_EQ(std::memcmp(input, output, std::size_t(c.bytes)), 0) << "wrong result: copy of " << c.bytes;
  }
}

TEST_P(PeakStream, ReadsEveryWordOnce) {
  for (const StreamCase& c : kStreamCases) {
    simt::DeviceHeap heap;
    const std::size_t words = std::size_t(c.bytes) / 4;
    auto* input = heap.poisoned<std::uint32_t>(words);
    auto* output = heap.poisoned<std::uint64_t>(std::size_t(kPeakPartials));
    std::uint64_t expected = 0, sum = 0;
    for (std::size_t i = 0; i < words; ++i) expected += input[i] = std::uint32_t(i) * 2654435761U;
    launch(PeakUnit::read, c, {input, output}, heap);
    for (std::int64_t i = 0; i < kPeakPartials; ++i) sum += output[i];
    EXPECT_EQ(sum, expected) << "wrong result: read of " << c.bytes;
  }
}

TEST_P(PeakStream, WritesEveryWord) {
  for (const StreamCase& c : kStreamCases) {
    simt::DeviceHeap heap;
    const std::size_t words = std::size_t(c.bytes) / 4;
    auto* output = heap.poisoned<std::uint32_t>(words);
    launch(PeakUnit::write, c, {nullptr, output}, heap);
    for (std::size_t i = 0; i < words; ++i) ASSERT_EQ(output[i], kPeakPattern) << "wrong result: write of " << c.bytes;
  }
}

INSTANTIATE_TEST_SUITE_P(Schedules, PeakStream,
                         testing::Values(simt::Async::Lazy, simt::Async::Eager, simt::Async::Random));

TEST(PeakPlans, RefuseStepsThatWouldRound) {
  EXPECT_TRUE(supports_steps(kWgmmaSm90[0], {PeakUnit::tensor, DType::bf16, 7680}, target()).ok());
  EXPECT_TRUE(supports_steps(kWgmmaSm90[3], {PeakUnit::tensor, DType::e4m3, 7680}, target()).ok());
  EXPECT_FALSE(supports_steps(kWgmmaSm90[3], {PeakUnit::tensor, DType::e4m3, 8192}, target()).ok());
  EXPECT_FALSE(supports_steps(kWgmmaSm90[0], {PeakUnit::tensor, DType::bf16, 7681}, target()).ok());
  EXPECT_FALSE(supports_steps(kFmaF32, {PeakUnit::fma, DType::f32, kPeakExact}, target()).ok());
  EXPECT_FALSE(supports_steps(kFmaF32, {PeakUnit::fma, DType::f32, 0}, target()).ok());
}

TEST(PeakPlans, ClaimTheWorkOfTheInstructions) {
  // m64n256 by 32 bytes of k, two warpgroups: 2 * 64 * 256 * k multiply-adds a step.
  for (const auto& [index, k] : {std::pair(0, 16), std::pair(1, 16), std::pair(2, 8), std::pair(3, 32)}) {
    const PeakArithmetic one = arithmetic_of(kWgmmaSm90[index], target(1));
    EXPECT_EQ(one.accumulators * one.multiply_adds, std::int64_t(2) * 64 * 256 * k);
  }
  const PeakArithmetic mma = arithmetic_of(kMmaSm80[0], target(1));
  EXPECT_EQ(mma.accumulators * mma.multiply_adds, std::int64_t(16) * 8 * 16 * 8 * 16);  // warps, tiles, m16n8k16
}

TEST(PeakPlans, MmaIsNoPeakWhereTensorCoresAreFedOtherwise) {
  for (const auto& [capability, is_peak] : {std::pair(75, false), std::pair(80, true), std::pair(89, true),
                                            std::pair(90, false), std::pair(103, false), std::pair(120, true)}) {
    Target gpu = target();
    gpu.compute_capability = capability;
    EXPECT_EQ(supports_mma_sm80_peak(gpu).ok(), is_peak) << capability;
  }
}

TEST(PeakPlans, LeaveNoPartialOut) {
  EXPECT_EQ(plan_stream({PeakUnit::read, DType::f32, 4096}, {}, target(2000)).grid.x, unsigned(kPeakPartials));
}

}  // namespace
}  // namespace assay
