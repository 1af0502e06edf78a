// Problems whose b was arranged beforehand: the same numbers, from every CPU kernel that takes them.
#include <gtest/gtest.h>

#include <cstring>
#include <stdexcept>

#include "kernels/gemm/cpu/blocked.h"
#include "tests/kernels/gemm/gemm_check.h"

namespace assay {
namespace {

using test::GemmFixture;
using test::text;

const GemmProblem kProblems[] = {{1, 1, 1},     {1, 97, 3},     {14, 32, 8},    {15, 33, 9},
                                 {61, 67, 129}, {130, 40, 553}, {29, 35, 2100}, {130, 35, 1100}};

template <class Test>
void for_each_prepacked(Test test) {
  for (const GemmKernel& kernel : gemm_kernels()) {
    if (kernel.device != Device::cpu) continue;
    for (const DType dtype : {DType::f32, DType::bf16}) {
      if (std::find(kernel.dtypes.begin(), kernel.dtypes.end(), dtype) == kernel.dtypes.end()) continue;
      for (GemmProblem problem : kProblems)
        for (const GemmLayout layout : {GemmLayout::tn, GemmLayout::nn, GemmLayout::nt}) {
          problem.layout = layout;
          problem.dtype = dtype;
          problem.prepacked = true;
          SCOPED_TRACE(kernel.name + " " + text(problem));
          test(kernel, problem);
        }
    }
  }
}

Target threads(int count) {
  Target target;
  target.threads = count;
  return target;
}

TEST(CpuPrepackedGemm, MatchesTheReference) {
  int tested = 0;
  for_each_prepacked([&](const GemmKernel& kernel, const GemmProblem& problem) {
    if (!kernel.supports(problem, threads(1)).ok()) return;
    ++tested;
    // Two sets whose operands differ, launched in turn: each must meet its own b.
    GemmFixture one(problem, 1), other(problem, 2);
    for (const int count : {1, 2}) {
      one.reset(), other.reset();
      const auto operation = kernel.prepare(problem, threads(count), {one.buffers(), other.buffers()}, nullptr);
      operation->launch(other.buffers(), nullptr);
      operation->launch(one.buffers(), nullptr);
      EXPECT_EQ(one.fault(), "") << count << " threads";
      EXPECT_EQ(other.fault(), "") << count << " threads";
    }
  });
  EXPECT_GT(tested, 0);
}

// Were b read again, what is timed would not be what the mode says.
TEST(CpuPrepackedGemm, LeavesTheOriginalAlone) {
  for_each_prepacked([&](const GemmKernel& kernel, const GemmProblem& problem) {
    if (!kernel.supports(problem, threads(1)).ok()) return;
    GemmFixture fixture(problem);
    const auto operation = kernel.prepare(problem, threads(2), {fixture.buffers()}, nullptr);
    const std::size_t bytes = static_cast<std::size_t>(problem.k * problem.n) * size_bytes(problem.dtype);
    const std::vector<char> b(static_cast<char*>(fixture.b()), static_cast<char*>(fixture.b()) + bytes);
    std::memset(fixture.b(), 0xff, bytes);
    operation->launch(fixture.buffers(), nullptr);
    std::memcpy(fixture.b(), b.data(), bytes);
    EXPECT_EQ(fixture.fault(), "");
  });
}

TEST(CpuPrepackedGemm, RefusesWhatItDidNotPack) {
  GemmProblem problem{20, 40, 30};
  problem.prepacked = true;
  for (const GemmKernel& kernel : gemm_kernels()) {
    if (kernel.device != Device::cpu || kernel.dtypes.front() != DType::f32) continue;
    SCOPED_TRACE(kernel.name);
    GemmFixture packed(problem, 1), unknown(problem, 2);
    if (!kernel.supports(problem, threads(1)).ok()) {
      EXPECT_NE(kernel.supports(problem, threads(1)).reason.find("prepacked"), std::string::npos);
      continue;
    }
    const auto operation = kernel.prepare(problem, threads(1), {packed.buffers()}, nullptr);
    EXPECT_THROW(operation->launch(unknown.buffers(), nullptr), std::runtime_error);
  }
}

}  // namespace
}  // namespace assay
