// The host side of wgmma.cuh: how each problem is launched.  Needs cuda.h for its types alone; C++17.
#pragma once
#include <cstddef>

#include "kernels/common/launch_plan.h"
#include "kernels/common/tensor_map.h"
#include "kernels/gemm/gemm.h"
#include "kernels/gemm/sm90/wgmma_config.h"
#include "kernels/gemm/sm90/wgmma_params.h"

namespace assay {

/// One compiled kernel.
struct WgmmaSm90Instance {
  DType dtype;
  GemmLayout layout;
  int tile_m, tile_n;
  const char* kernel;  // demangled name, as in the tables of wgmma_*.cu
};

extern const WgmmaSm90Instance kWgmmaSm90Instances[];
extern const int kWgmmaSm90InstanceCount;

/// Memory that slices are added up in; `arrived` must be zero before the first launch and stays so between launches.
struct WgmmaSm90Workspace {
  float* partial_sums = nullptr;
  unsigned* arrived = nullptr;
};
struct WgmmaSm90WorkspaceBytes {
  std::size_t partial_sums, arrived;
};
WgmmaSm90WorkspaceBytes workspace_of(const WgmmaSm90Choice&);

/// The launch of any kernel built on wgmma.cuh by `choice`, all but its name.  `more_stage_bytes`: what its stages
/// hold beside a and b, a multiple of 1024.  Throws std::runtime_error where the buffers are not aligned to 16 bytes.
LaunchPlan<WgmmaSm90Params<DenseSchedule>> launch_wgmma_sm90(const GemmProblem&, const GemmBuffers&,
                                                             const WgmmaSm90Choice& choice, const WgmmaSm90Workspace&,
                                                             TensorMapEncoder, int more_stage_bytes = 0);

/// Throws std::runtime_error where the buffers are not aligned to 16 bytes.
LaunchPlan<WgmmaSm90Params<DenseSchedule>> plan_wgmma_sm90(const GemmProblem&, const GemmBuffers&, const Target&,
                                                           const WgmmaSm90Workspace&, TensorMapEncoder);

}  // namespace assay
