// Takes samples of a launch: warm-up to steady state, then sampling until the stopping rule is satisfied.
#pragma once
#include <atomic>
#include <functional>

#include "harness/backends/backend.h"
#include "harness/communicators/communicator.h"
#include "harness/core/case.h"
#include "harness/measure/measurement.h"

namespace assay {

struct SamplingRule {
  int min_samples = 30;  // below 1 ms a launch: 100
  int max_samples = 2000;
  double relative_half_width = 0.005;  // stop when the median's 95 % interval is this narrow
  double wall_seconds = 10;            // budget of one case, warm-up included
  double timeout_seconds = 120;        // one launch longer than this ends the case as timed out
  double warmup_seconds = 0.2;         // least warm-up in burst mode
  double sustained_seconds = 3;        // least warm-up in sustained mode; lasts until the rate has settled
  bool operator==(const SamplingRule&) const = default;
};

/// `launch(set)` enqueues one launch on buffer set `set` (0 .. sets - 1): cold samples rotate through them.
struct Sampled {
  std::function<void(int set)> launch;
  int sets = 1;
  bool probe_placement = false;  // CPU work on several threads or ranks
  bool own_threads = false;      // the launch computes in threads of its own, not in the backend's
};

/// Seconds since some fixed moment.
using Clock = std::function<double()>;
double steady_seconds();

/// Ranks agree: a sample is the slowest rank's time, and rank 0 decides when to stop.  Every rank calls it.
/// Stops after the first sample at the earliest, unless interrupted or timed out while warming up: then there are none.
/// A launch that never returns cannot be ended from within its process; one that does after more than the timeout
/// ends the case.  A failed launch throws its error on its rank, and MeasureError on the others.
Measurement sample(const Sampled&, Backend&, Communicator&, const SamplingRule&, Mode,
                   const std::atomic<bool>& interrupted, const Clock& now = steady_seconds);

}  // namespace assay
