// The host side of wgmma_fp8.cuh: which problems it takes and how each is launched.  Tile, cluster and slices are
// chosen by wgmma_config.h.  Needs cuda.h for its types alone; C++17.
#pragma once
#include "kernels/gemm/sm90/wgmma.h"
#include "kernels/gemm/sm90/wgmma_fp8_params.h"

namespace assay {

/// One compiled kernel.
struct WgmmaFp8Sm90Instance {
  DType dtype;  // of a; b is e4m3
  GemmScaling scaling;
  int tile_n;
  const char* kernel;  // demangled name, as in the table of wgmma_fp8.cu
};

extern const WgmmaFp8Sm90Instance kWgmmaFp8Sm90Instances[];
extern const int kWgmmaFp8Sm90InstanceCount;

/// Empty, or why wgmma_fp8_sm90 does not take the problem.
Support supports_wgmma_fp8_sm90(const GemmProblem&, const Target&);

/// How the kernel adds up, for the error that is allowed it.
Accumulation accumulation_of_wgmma_fp8_sm90(const GemmProblem&, const Target&);

/// Throws std::runtime_error where buffers are not aligned to 16 bytes.
LaunchPlan<WgmmaFp8Sm90Params> plan_wgmma_fp8_sm90(const GemmProblem&, const GemmBuffers&, const Target&,
                                                   const WgmmaSm90Workspace&, TensorMapEncoder);

}  // namespace assay
