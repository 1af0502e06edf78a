// The CPU's peak kernels compute what their contract says, with any number of threads.
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "kernels/peak/cpu_kernels.h"
#include "kernels/peak/cpu_loops.h"
#include "kernels/peak/peak.h"
#include "tests/kernels/common/functional_amx.h"

namespace assay {
namespace {
using namespace cpu;  // where the text below is at home
#include "kernels/peak/cpu_dot_amx-inl.h"

Target cpu(int threads) {
  Target target;
  target.threads = threads;
  return target;
}

const PeakKernel& kernel(const std::string& name) {
  for (const PeakKernel& row : peak_kernels())
    if (row.name == name) return row;
  throw std::logic_error("no kernel " + name);
}

void launch(const PeakKernel& row, const PeakProblem& problem, const PeakBuffers& buffers, int threads) {
  row.prepare(problem, cpu(threads), {buffers}, nullptr)->launch(buffers, nullptr);
}

TEST(PeakUnits, AreReadAsTheyAreWritten) {
  for (const PeakUnitName& row : kPeakUnits) {
    PeakUnit unit{};
    EXPECT_TRUE(parse_peak_unit(row.name, unit));
    EXPECT_EQ(unit, row.unit);
    EXPECT_STREQ(name(unit), row.name);
  }
  PeakUnit unit{};
  EXPECT_FALSE(parse_peak_unit("fmaa", unit));
}

TEST(PeakCpuFma, EveryMultiplyAddIsDone) {
  const PeakKernel& row = kernel("peak_cpu_fma");
  for (const DType dtype : row.dtypes)
    for (const int threads : {1, 2, 3}) {
      const PeakProblem problem{PeakUnit::fma, dtype, 1000};
      if (!row.supports(problem, cpu(threads)).ok()) continue;
      const PeakArithmetic arithmetic = row.arithmetic(problem, cpu(threads));
      ASSERT_GT(arithmetic.accumulators, 0);
      std::vector<float> output(std::size_t(arithmetic.accumulators) + 1, -1.0F);
      launch(row, problem, {nullptr, output.data()}, threads);
      for (std::int64_t i = 0; i < arithmetic.accumulators; ++i)
        ASSERT_EQ(output[std::size_t(i)], float(peak_start(i) + 1000 * arithmetic.increment))
            << name(dtype) << " " << i;
      EXPECT_EQ(output.back(), -1.0F);
      EXPECT_EQ(arithmetic.multiply_adds, dtype == DType::bf16 ? 2 : 1);
    }
}

// The loop for AMX counts its steps on the functional unit; its row exists where this CPU grants AMX.
TEST(PeakCpuAmx, EveryMultiplyAddIsDone) {
  std::vector<ArithmeticLoop> loops = {dot_amx_loop_on<test::functional_amx::Instructions>("functional AMX")};
  if (dot_amx_loop() != nullptr) loops.push_back(*dot_amx_loop());
  test::AmxFaults::take();
  for (const ArithmeticLoop& loop : loops) {
    std::vector<float> output(std::size_t(loop.accumulators) + 1, -1.0F);
    for (int i = 0; i < loop.accumulators; ++i) output[std::size_t(i)] = float(peak_start(i));
    loop.run(25, 1, output.data());
    for (int i = 0; i < loop.accumulators; ++i)
      ASSERT_EQ(output[std::size_t(i)], float(peak_start(i) + 25 * loop.multiply_adds)) << loop.name << " " << i;
    EXPECT_EQ(output.back(), -1.0F);
    EXPECT_EQ(loop.multiply_adds, 32);
  }
  EXPECT_EQ(test::AmxFaults::take(), "");
  std::vector<PeakKernel> rows;
  append_cpu_amx_peak(rows);
  ASSERT_EQ(rows.size(), dot_amx_loop() != nullptr ? 1U : 0U);
  for (const PeakKernel& row : rows)
    EXPECT_TRUE(row.supports({PeakUnit::fma, DType::bf16, row.default_size}, cpu(2)).ok());
}

TEST(PeakCpuFma, RefusesStepsWhoseSumsRound) {
  const PeakKernel& row = kernel("peak_cpu_fma");
  EXPECT_TRUE(row.supports({PeakUnit::fma, DType::f32, row.default_size}, cpu(2)).ok());
  EXPECT_FALSE(row.supports({PeakUnit::fma, DType::f32, kPeakExact}, cpu(2)).ok());
  EXPECT_FALSE(row.supports({PeakUnit::fma, DType::f32, 0}, cpu(2)).ok());
  EXPECT_FALSE(row.supports({PeakUnit::copy, DType::f32, 4096}, cpu(2)).ok());
}

TEST(PeakCpuStream, CopiesAddsReadsAndWritesEveryByte) {
  const PeakKernel& row = kernel("peak_cpu_stream");
  constexpr std::int64_t kBytes = 5 * kPeakGranule;  // fewer pages than some teams have threads
  std::vector<std::uint32_t> input(std::size_t(kBytes) / 4);
  std::uint64_t expected = 0;
  for (std::size_t i = 0; i < input.size(); ++i) expected += input[i] = std::uint32_t(i) * 2654435761U;
  std::vector<float> addends(2 * input.size());  // the index, then its remainder by 7
  for (std::size_t i = 0; i < input.size(); ++i) addends[i] = float(i), addends[input.size() + i] = float(i % 7);
  // Streaming stores want aligned memory, as a backend's is.
  void* aligned_input = std::aligned_alloc(64, std::size_t(kBytes));
  void* aligned_output = std::aligned_alloc(64, std::size_t(kBytes) + kPeakPartials * 8);
  std::memcpy(aligned_input, input.data(), std::size_t(kBytes));
  for (const int threads : {1, 2, 3, 7}) {
    auto* words = static_cast<std::uint32_t*>(aligned_output);
    std::memset(aligned_output, 0xff, std::size_t(kBytes) + 64);
    launch(row, {PeakUnit::copy, DType::f32, kBytes}, {aligned_input, aligned_output}, threads);
    EXPECT_EQ(std::memcmp(aligned_output, aligned_input, std::size_t(kBytes)), 0);
    EXPECT_EQ(words[kBytes / 4], 0xffffffffU);

    std::memset(aligned_output, 0xff, std::size_t(kBytes) + 64);
    launch(row, {PeakUnit::triad, DType::f32, kBytes}, {addends.data(), aligned_output}, threads);
    for (std::int64_t i = 0; i < kBytes / 4; ++i)
      ASSERT_EQ(static_cast<const float*>(aligned_output)[i], float(i) + kPeakScale * float(i % 7)) << i;
    EXPECT_EQ(words[kBytes / 4], 0xffffffffU);

    std::memset(aligned_output, 0xff, std::size_t(kBytes) + 64);
    launch(row, {PeakUnit::write, DType::f32, kBytes}, {nullptr, aligned_output}, threads);
    for (std::int64_t i = 0; i < kBytes / 4; ++i) ASSERT_EQ(words[i], kPeakPattern);
    EXPECT_EQ(words[kBytes / 4], 0xffffffffU);

    std::memset(aligned_output, 0xff, kPeakPartials * 8);
    launch(row, {PeakUnit::read, DType::f32, kBytes}, {aligned_input, aligned_output}, threads);
    std::uint64_t sum = 0;
    for (std::int64_t i = 0; i < kPeakPartials; ++i) sum += static_cast<std::uint64_t*>(aligned_output)[i];
    EXPECT_EQ(sum, expected);
  }
  std::free(aligned_input);
  std::free(aligned_output);
}

}  // namespace
}  // namespace assay
