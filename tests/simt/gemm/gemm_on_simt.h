// Runs one GEMM kernel on the functional GPU, by the launch plan of the real launcher, and compares with fp64.
#pragma once
#include <string>

#include "kernels/gemm/cuda/kernel_params.h"
#include "tests/simt/simt.h"

namespace assay {

struct GemmRun {
  std::string kernel;  // mma_sm80 or simt_f32
  GemmProblem problem;
  int misalign = 0;         // elements by which a, b and d are moved off their allocations' starts
  int multiprocessors = 4;  // few, so that small problems already have several raster groups
};

std::string describe(const GemmRun&);

/// The plan the launcher would use; the buffers decide between instances.
LaunchPlan<GemmKernelParams> plan(const GemmRun&, const GemmBuffers&);

struct GemmOutcome {
  std::string wrong;  // empty where every element is within the allowed error
  simt::Stats stats;
};

/// Throws simt::Error at a fault of the machine.
GemmOutcome run_gemm(const simt::ptx::Module&, const GemmRun&, simt::Options);

}  // namespace assay
