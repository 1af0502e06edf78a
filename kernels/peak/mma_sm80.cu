// Compiled instances of mma_sm80.cuh, and their row in the table of peak kernels.
#include "kernels/peak/mma_sm80.cuh"

#include "kernels/common/cuda_launch.h"
#include "kernels/peak/cuda_kernels.h"

namespace assay {
namespace {

const NamedKernel<PeakArithmeticParams> kKernels[] = {{kMmaSm80[0].kernel, peak_mma_sm80<PeakMmaBf16>},
                                                      {kMmaSm80[1].kernel, peak_mma_sm80<PeakMmaF16>},
                                                      {kMmaSm80[2].kernel, peak_mma_sm80<PeakMmaTf32>}};

void launch(const PeakProblem& problem, const PeakBuffers& buffers, const Target& target, Stream stream) {
  const auto plan = plan_arithmetic(shape_for(kMmaSm80, problem.dtype), problem, buffers, target);
  launch_kernel(find_kernel(kKernels, plan), plan, stream);
}

}  // namespace

PeakKernel mma_sm80_peak() {
  PeakKernel row;
  row.name = "peak_mma_sm80";
  row.device = Device::gpu;
  row.dtypes = {DType::bf16, DType::f16, DType::tf32};
  row.units = {PeakUnit::tensor};
  row.default_size = std::int64_t(1) << 14;  // 8 tiles of 4 warps a partition: some 4 million cycles, 2 to 3 ms
  row.arithmetic = [](const PeakProblem& problem, const Target& target) {
    return arithmetic_of(shape_for(kMmaSm80, problem.dtype), target);
  };
  row.supports = [row](const PeakProblem& problem, const Target& target) {
    const std::string unfit = reason_unit_unfit(row, problem);
    if (!unfit.empty()) return Support::no(unfit);
    if (const Support reaches = supports_mma_sm80_peak(target); !reaches.ok()) return reaches;
    return supports_steps(shape_for(kMmaSm80, problem.dtype), problem, target);
  };
  row.prepare = stateless<PeakProblem, PeakBuffers>(launch);
  return row;
}

}  // namespace assay
