// What the persistent forward passes (wgmma_sm90, tcgen05_sm100) are told.  Needs cuda.h for its types alone; C++17.
#pragma once
#include <cuda.h>

#include <cstdint>

#include "kernels/attention/cuda/forward_schedule.h"

namespace assay {

struct PersistentForwardParams {
  // [all rows, heads, head_dim or value_dim]; boxes are 128 bytes of one head by the rows of a tile (of o: a warp's),
  // so that dimensions that an instance has and the problem lacks are read as zeros and not stored.
  CUtensorMap map_q, map_k, map_v, map_o;
  AttentionSchedule schedule;
  void* o;  // again, for tiles whose last rows are missing
  float* lse;
  std::int64_t lse_head_stride;  // from a head's row in lse to the next head's
  std::int32_t group;            // query heads that share a kv head
  std::int32_t value_dim;
  std::int32_t causal, window;               // window 0: none
  float scale_log2;                          // softmax scale * log2(e)
  const float *q_scale, *k_scale, *v_scale;  // factors of 8-bit inputs, one number each; else null
};

}  // namespace assay
