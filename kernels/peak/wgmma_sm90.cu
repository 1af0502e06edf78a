// Compiled instances of wgmma_sm90.cuh, and their row in the table of peak kernels.
#include "kernels/peak/wgmma_sm90.cuh"

#include "kernels/common/cuda_launch.h"
#include "kernels/peak/cuda_kernels.h"

namespace assay {
namespace {

const NamedKernel<PeakArithmeticParams> kKernels[] = {{kWgmmaSm90[0].kernel, peak_wgmma_sm90<UnitsBf16>},
                                                      {kWgmmaSm90[1].kernel, peak_wgmma_sm90<UnitsF16>},
                                                      {kWgmmaSm90[2].kernel, peak_wgmma_sm90<UnitsTf32>},
                                                      {kWgmmaSm90[3].kernel, peak_wgmma_sm90<UnitsE4m3>}};

void launch(const PeakProblem& problem, const PeakBuffers& buffers, const Target& target, Stream stream) {
  const auto plan = plan_arithmetic(shape_for(kWgmmaSm90, problem.dtype), problem, buffers, target);
  launch_kernel(find_kernel(kKernels, plan), plan, stream);
}

}  // namespace

PeakKernel wgmma_sm90_peak() {
  PeakKernel row;
  row.name = "peak_wgmma_sm90";
  row.device = Device::gpu;
  row.dtypes = {DType::bf16, DType::f16, DType::tf32, DType::e4m3};
  row.units = {PeakUnit::tensor};
  row.default_size = 7680;  // 128 cycles each for two warpgroups: 2 million cycles, somewhat over 1 ms
  row.arithmetic = [](const PeakProblem& problem, const Target& target) {
    return arithmetic_of(shape_for(kWgmmaSm90, problem.dtype), target);
  };
  row.supports = [row](const PeakProblem& problem, const Target& target) {
    const std::string unfit = reason_unit_unfit(row, problem);
    if (!unfit.empty()) return Support::no(unfit);
    if (target.compute_capability != 90) return Support::no("its instructions are Hopper's alone (sm_90a)");
    return supports_steps(shape_for(kWgmmaSm90, problem.dtype), problem, target);
  };
  row.prepare = stateless<PeakProblem, PeakBuffers>(launch);
  return row;
}

}  // namespace assay
