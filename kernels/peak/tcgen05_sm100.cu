// Compiled instances of tcgen05_sm100.cuh, and their row in the table of peak kernels.
#include "kernels/peak/tcgen05_sm100.cuh"

#include "kernels/common/cuda_launch.h"
#include "kernels/peak/cuda_kernels.h"

namespace assay {
namespace {

const NamedKernel<PeakTcgen05Params> kKernels[] = {{kTcgen05Sm100[0].kernel, peak_tcgen05_sm100<UnitsBf16>},
                                                   {kTcgen05Sm100[1].kernel, peak_tcgen05_sm100<UnitsF16>},
                                                   {kTcgen05Sm100[2].kernel, peak_tcgen05_sm100<UnitsE4m3>}};

void launch(const PeakProblem& problem, const PeakBuffers& buffers, const Target& target, Stream stream) {
  const auto plan = plan_tcgen05(problem, buffers, target);
  const auto kernel = find_kernel(kKernels, plan);
  allow_shared_bytes(reinterpret_cast<const void*>(kernel), plan.shared_bytes);
  launch_kernel(kernel, plan, stream);
}

}  // namespace

PeakKernel tcgen05_sm100_peak() {
  PeakKernel row;
  row.name = "peak_tcgen05_sm100";
  row.device = Device::gpu;
  row.dtypes = {DType::bf16, DType::f16, DType::e4m3};
  row.units = {PeakUnit::tensor};
  row.default_size = 7680;  // 128 cycles each for 16-bit elements: 1 million cycles, somewhat over 0.5 ms
  row.arithmetic = [](const PeakProblem& problem, const Target& target) {
    return arithmetic_of(shape_for(kTcgen05Sm100, problem.dtype), target);
  };
  row.supports = [row](const PeakProblem& problem, const Target& target) {
    const std::string unfit = reason_unit_unfit(row, problem);
    if (!unfit.empty()) return Support::no(unfit);
    if (target.compute_capability != 100 && target.compute_capability != 103)
      return Support::no("its instructions are data-center Blackwell's alone (sm_100a, sm_103a)");
    return supports_steps(shape_for(kTcgen05Sm100, problem.dtype), problem, target);
  };
  row.prepare = stateless<PeakProblem, PeakBuffers>(launch);
  return row;
}

}  // namespace assay
