// The CPU rows of the attention table, launched on a fixture.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "kernels/attention/attention.h"
#include "tests/kernels/attention/attention_check.h"

namespace assay::test {

inline std::vector<const AttentionKernel*> cpu_kernels() {
  std::vector<const AttentionKernel*> kernels;
  for (const AttentionKernel& kernel : attention_kernels())
    if (kernel.device == Device::cpu) kernels.push_back(&kernel);
  return kernels;
}

inline const AttentionKernel& cpu_flash() { return *cpu_kernels().front(); }
inline const AttentionKernel& cpu_dequantized() { return *cpu_kernels().at(1); }

inline std::unique_ptr<AttentionOperation> prepare(const AttentionKernel& kernel, AttentionFixture& fixture,
                                                   AttentionPass pass, int threads) {
  Target target;
  target.threads = threads;
  AttentionProblem problem = fixture.problem;
  problem.pass = pass;
  EXPECT_EQ(kernel.supports(problem, target).reason, "");
  return kernel.prepare(problem, target, {fixture.buffers()}, nullptr);
}

/// Forward, into poisoned outputs.
inline void launch(const AttentionKernel& kernel, AttentionFixture& fixture, int threads = 1) {
  fixture.reset();
  prepare(kernel, fixture, AttentionPass::forward, threads)->launch(fixture.buffers(), nullptr);
}

/// Both passes.
inline void launch_both(const AttentionKernel& kernel, AttentionFixture& fixture, int threads = 2) {
  launch(kernel, fixture, threads);
  prepare(kernel, fixture, AttentionPass::backward, threads)->launch(fixture.buffers(), nullptr);
}

/// Calls test(kernel, dtype) for every CPU row and type that has both passes: types of 8 bits have forward alone.
template <class Test>
void for_each_row(Test test) {
  for (const AttentionKernel* kernel : cpu_kernels())
    for (const DType dtype : kernel->dtypes) {
      SCOPED_TRACE(kernel->name);
      if (info(dtype).bits >= 16) test(*kernel, dtype);
    }
}

/// Both passes of every CPU row against fp64; of gradients, every `step`-th query and key.
inline void check_both(AttentionProblem problem, std::int64_t step = 1) {
  for_each_row([&](const AttentionKernel& kernel, DType dtype) {
    problem.dtype = dtype;
    AttentionFixture fixture(problem);
    launch_both(kernel, fixture);
    EXPECT_EQ(fixture.fault(step), "") << text(problem);
    EXPECT_EQ(fixture.gradient_fault(step), "") << text(problem);
  });
  problem.dtype = DType::e4m3;
  AttentionFixture fixture(problem);
  launch(cpu_dequantized(), fixture, 2);
  EXPECT_EQ(fixture.fault(step), "") << text(problem);
}

inline std::vector<std::uint8_t> bytes_of(Guarded& output) { return {output.data(), output.data() + output.bytes()}; }

}  // namespace assay::test
