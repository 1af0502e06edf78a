// The compiled instance of fma_f32.cuh, and its row in the table of peak kernels.
#include "kernels/peak/fma_f32.cuh"

#include "kernels/common/cuda_launch.h"
#include "kernels/peak/cuda_kernels.h"

namespace assay {
namespace {

const NamedKernel<PeakArithmeticParams> kKernels[] = {{kFmaF32.kernel, peak_fma_f32}};

void launch(const PeakProblem& problem, const PeakBuffers& buffers, const Target& target, Stream stream) {
  const auto plan = plan_arithmetic(kFmaF32, problem, buffers, target);
  launch_kernel(find_kernel(kKernels, plan), plan, stream);
}

}  // namespace

PeakKernel fma_f32_peak() {
  PeakKernel row;
  row.name = "peak_fma_f32";
  row.device = Device::gpu;
  row.dtypes = {DType::f32};
  row.units = {PeakUnit::fma};
  row.default_size = std::int64_t(1) << 16;  // 8 chains of 8 warps a partition: 4 million cycles, 2 to 3 ms
  row.arithmetic = [](const PeakProblem&, const Target& target) { return arithmetic_of(kFmaF32, target); };
  row.supports = [row](const PeakProblem& problem, const Target& target) {
    const std::string unfit = reason_unit_unfit(row, problem);
    return unfit.empty() ? supports_steps(kFmaF32, problem, target) : Support::no(unfit);
  };
  row.prepare = stateless<PeakProblem, PeakBuffers>(launch);
  return row;
}

}  // namespace assay
