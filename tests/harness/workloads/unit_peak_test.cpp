// The peak beside a step: how long its launches are on machines of any speed.
#include "harness/workloads/unit_peak.h"

#include <gtest/gtest.h>

namespace assay {
namespace {

/// Takes multiples of 16, as kernels with a loop of 16 steps do.
PeakKernel kernel_of_loops() {
  PeakKernel kernel;
  kernel.default_size = 7680;
  kernel.supports = [](const PeakProblem& p, const Target&) {
    return p.size % 16 == 0 ? Support::yes() : Support::no("size is not a multiple of 16");
  };
  return kernel;
}

std::int64_t steps_at(double seconds_a_step, std::vector<std::int64_t>* tried = nullptr) {
  return peak_steps(kernel_of_loops(), {PeakUnit::tensor, DType::bf16, 1}, {}, [&](const PeakProblem& p) {
    if (tried) tried->push_back(p.size);
    return double(p.size) * seconds_a_step;
  });
}

TEST(UnitPeak, HardwareGetsTheNumberThatWasMadeForIt) {
  EXPECT_EQ(steps_at(0.001 / 7680), 7680);
  EXPECT_EQ(steps_at(0.019 / 3840), 7680);
}

TEST(UnitPeak, ASlowDeviceIsNotKeptLongerThanNeeded) {
  std::vector<std::int64_t> tried;
  EXPECT_EQ(steps_at(0.02 / 240, &tried), 240);
  EXPECT_EQ(tried, (std::vector<std::int64_t>{16, 80, 240})) << "up from the smallest: 7680 steps would take 0.6 s";
  EXPECT_EQ(steps_at(10), 16) << "not below what the kernel takes";
}

TEST(UnitPeak, TimesThatAreNoneEndTheSearch) { EXPECT_EQ(steps_at(std::numeric_limits<double>::quiet_NaN()), 16); }

TEST(UnitPeak, EveryUnitOfThisMachineHasARate) {
  const auto backend = make_cpu_backend(1);
  const auto communicator = make_single_communicator();
  const UnitsPeak peak = measured_peak(DType::f32, *backend, *communicator);
  EXPECT_GT(peak.flops_per_second, 1e8);
  EXPECT_EQ(peak.kernel.substr(0, 8), "peak_cpu");
  EXPECT_EQ(measured_peak(DType::e2m1, *backend, *communicator).flops_per_second, 0);
}

}  // namespace
}  // namespace assay
