// The functional GPU: runs the PTX that nvcc produced, thread by thread, and reports wrong use of the machine.
// A test includes this header alone.  README.md beside it lists what is modelled and what is not.
//
//   const simt::ptx::Module module(simt::ptx_text(ASSAY_PTX_DIR, "gemm"));
//   simt::DeviceHeap heap;
//   float* out = heap.poisoned<float>(n);
//   simt::Options options{.async = simt::Async::Eager, .heap = &heap};
//   simt::Stats stats = simt::launch(module.kernel("gemm"), {grid, block, shared_bytes}, options, a, b, out, n);
#pragma once
#include "kernels/common/launch_plan.h"
#include "tests/simt/device_heap.h"
#include "tests/simt/machine/arithmetic.h"
#include "tests/simt/machine/tensor_map.h"
#include "tests/simt/ptx/program.h"

namespace simt {

using ptx::Launch;
using ptx::ptx_text;
using ptx::Stats;

/// Runs `kernel`; throws Error at the first fault.  Arguments are matched to the parameters by position and size.
template <class... Arguments>
Stats launch(const ptx::Kernel& kernel, const Launch& shape, const Options& options, const Arguments&... arguments) {
  return ptx::run_with(kernel, shape, options, arguments...);
}

/// A launch plan is run as a GPU would run it: the launcher and the tests share the plan.
template <class Params>
Stats launch(const ptx::Kernel& kernel, const assay::LaunchPlan<Params>& plan, const Options& options) {
  const auto dim = [](const assay::GridDim& d) { return Dim3{d.x, d.y, d.z}; };
  return ptx::run_with(kernel, {dim(plan.grid), dim(plan.block), plan.shared_bytes, dim(plan.cluster)}, options,
                       plan.params);
}

}  // namespace simt
