// Compiled instances of stream.cuh, and their rows in the table of peak kernels.
#include "kernels/peak/stream.cuh"

#include "kernels/common/cuda_launch.h"
#include "kernels/peak/cuda_kernels.h"

namespace assay {
namespace {

const NamedKernel<PeakStreamParams> kKernels[] = {
    {"peak_copy", peak_copy}, {"peak_read", peak_read}, {"peak_write", peak_write}, {"peak_nothing", peak_nothing}};

void launch_stream(const PeakProblem& problem, const PeakBuffers& buffers, const Target& target, Stream stream) {
  const auto plan = plan_stream(problem, buffers, target);
  launch_kernel(find_kernel(kKernels, plan), plan, stream);
}

void launch_nothing(const PeakProblem&, const PeakBuffers&, const Target&, Stream stream) {
  LaunchPlan<PeakStreamParams> plan;
  plan.kernel = "peak_nothing";
  launch_kernel(find_kernel(kKernels, plan), plan, stream);
}

PeakKernel row_of(const char* name, std::vector<PeakUnit> units) {
  PeakKernel row;
  row.name = name;
  row.device = Device::gpu;
  row.dtypes = {DType::f32};
  row.units = std::move(units);
  row.supports = [row](const PeakProblem& problem, const Target&) { return Support{reason_unit_unfit(row, problem)}; };
  return row;
}

}  // namespace

PeakKernel stream_peak() {
  PeakKernel row = row_of("peak_stream", {PeakUnit::copy, PeakUnit::read, PeakUnit::write});
  row.default_size = std::int64_t(1) << 30;
  row.prepare = stateless<PeakProblem, PeakBuffers>(launch_stream);
  return row;
}

PeakKernel floor_peak() {
  PeakKernel row = row_of("peak_floor", {PeakUnit::floor});
  row.default_size = 1;
  row.prepare = stateless<PeakProblem, PeakBuffers>(launch_nothing);
  return row;
}

}  // namespace assay
