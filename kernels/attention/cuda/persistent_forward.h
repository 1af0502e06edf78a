// The host side that the persistent forward passes (wgmma_sm90, tcgen05_sm100) share.  Needs cuda.h for its types
// alone; C++17.
#pragma once
#include "kernels/attention/attention.h"
#include "kernels/attention/cuda/persistent_forward_params.h"
#include "kernels/common/tensor_map.h"

namespace assay {

/// Rows of the boxes in which q, k with v, and o move.
struct PersistentForwardBoxes {
  int queries, keys, outputs;
};

/// `kernel` is named where buffers are not aligned to 16 bytes, which throws std::runtime_error.  `tiles`:
/// packed_query_tiles() in device memory; null where sequences are not packed.
PersistentForwardParams persistent_forward_params(const char* kernel, const AttentionProblem&, const AttentionBuffers&,
                                                  AttentionSchedule, const AttentionQueryTile* tiles,
                                                  const PersistentForwardBoxes&, TensorMapEncoder);

}  // namespace assay
