// Where a role stands in a ring of buffers guarded by mbarriers.  C++17.
#pragma once
#include <cstdint>

#include "kernels/common/host_device.h"

namespace assay {

/// The consumer of a stage waits for `parity`; its producer, who finds fresh barriers at first, for the other.
template <int kStages>
struct PipelineState {
  int stage = 0;
  std::uint32_t parity = 0;  // of the current lap

  ASSAY_HOST_DEVICE void advance() {
    if (++stage == kStages) stage = 0, parity ^= 1;
  }
};

}  // namespace assay
