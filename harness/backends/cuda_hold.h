// Holds a stream back until the host has filled it, so that the time of a short launch is not the time the host takes
// to launch it.  C++17: the .cu file includes this.
#pragma once
#include <cuda_runtime_api.h>

namespace assay {

/// In host memory that every GPU sees.  Tickets only grow, so nothing is ever reset while a kernel looks at it.
struct HoldState {
  unsigned released = 0;   // holds with a ticket up to this one end
  unsigned timed_out = 0;  // the last ticket that gave up waiting
};

/// A hold gives up after this long: a launch that waits for the device itself would wait for ever.  A hundred times
/// what the largest batch takes the host to enqueue, and below the patience of a display driver's watchdog.
constexpr double kHoldSeconds = 2;

cudaError_t launch_hold(HoldState* state, unsigned ticket, cudaStream_t stream);
cudaError_t launch_empty_kernel(cudaStream_t stream);

}  // namespace assay
