// The host side of wgmma_forward.cuh: how each problem is launched.  Needs cuda.h for its types alone; C++17.
#pragma once
#include <vector>

#include "kernels/attention/attention.h"
#include "kernels/attention/sm90/wgmma_forward_model.h"
#include "kernels/attention/sm90/wgmma_forward_params.h"
#include "kernels/common/launch_plan.h"
#include "kernels/common/tensor_map.h"

namespace assay {

/// `tiles`: packed_query_tiles() in device memory; null where sequences are not packed.  Throws std::runtime_error
/// where the buffers are not aligned to 16 bytes.
LaunchPlan<WgmmaSm90ForwardParams> plan_wgmma_sm90_forward(const AttentionProblem&, const AttentionBuffers&,
                                                           const Target&, const AttentionQueryTile* tiles,
                                                           TensorMapEncoder);

}  // namespace assay
