// Grouped GEMM on Hopper: the kernel of kernels/gemm/sm90/wgmma.cuh under the schedules of grouped_schedule.h; how each
// problem is launched.  Needs cuda.h for its types alone; C++17.
//
// Algorithm   One persistent launch for all groups.  Each cluster finds its tiles from the row counts on the device, so
//             that nothing but the grid depends on what the host knows.
// Maps        One tensor map per operand, none per group: in forward and dgrad the experts' b are one tall matrix whose
//             rows begin at group * n; in wgrad tokens are k, and a group's tokens begin at its first row.
// Tails       Forward: columns of b past an expert's last are the next one's, and fall outside d.  dgrad: tiles of k
//             must not reach into the next expert, so n is a multiple of 64.  wgrad: the last tile of k reaches into
//             zeros of the padding; tiles of d must not reach into the next expert's, so n is a multiple of 128.
// Resources   As kernels/gemm/sm90/wgmma.cuh; 128 x 256 tiles in four stages, 128 x 128 in six.
#pragma once
#include "kernels/common/launch_plan.h"
#include "kernels/common/tensor_map.h"
#include "kernels/gemm/sm90/wgmma_params.h"
#include "kernels/grouped_gemm/grouped_gemm.h"
#include "kernels/grouped_gemm/grouped_schedule.h"
#include "kernels/grouped_gemm/wgmma_sm90_config.h"

namespace assay {

/// One compiled kernel.
struct GroupedWgmmaInstance {
  DType dtype;
  GroupedPass pass;
  int tile_n;
  const char* kernel;  // demangled name, as in the tables of wgmma_*_sm90.cu
};

extern const GroupedWgmmaInstance kGroupedWgmmaInstances[];
extern const int kGroupedWgmmaInstanceCount;

using MGroupedPlan = LaunchPlan<WgmmaSm90Params<MGroupedSchedule>>;  // forward, dgrad
using KGroupedPlan = LaunchPlan<WgmmaSm90Params<KGroupedSchedule>>;  // wgrad

/// These throw std::runtime_error where the buffers are not aligned to 16 bytes.  At least one group must have rows.
MGroupedPlan plan_wgmma_m_grouped(const GroupedGemmProblem&, const GroupedGemmBuffers&, const Target&,
                                  TensorMapEncoder);
KGroupedPlan plan_wgmma_k_grouped(const GroupedGemmProblem&, const GroupedGemmBuffers&, const Target&,
                                  TensorMapEncoder);

}  // namespace assay
