// Takes samples of launches: warm-up to steady state, then sampling until the stopping rule is satisfied.
#pragma once
#include <atomic>
#include <exception>
#include <functional>
#include <string>
#include <vector>

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
  double telemetry_seconds = 0.1;      // between looks at the device meanwhile; 0: none, and no telemetry
  bool operator==(const SamplingRule&) const = default;
};

/// `launch(set)` enqueues one launch on buffer set `set` (0 .. sets - 1): cold samples rotate through them.
struct Sampled {
  std::function<void(int set)> launch;
  int sets = 1;
  bool probe_placement = false;  // CPU work on several threads or ranks
  bool own_threads = false;      // the launch computes in threads of its own, not in the backend's
  bool hot = false;              // operands are meant to be in the caches
  std::string point = {};        // the same for kernels that are compared with each other
  std::string name = {};         // of the case, and
  double bytes = 0;              // what it moves: ranks must agree on it
};

/// Seconds since some fixed moment.
using Clock = std::function<double()>;
double steady_seconds();

/// What came of one of several: a measurement, or the error its launch ended with.
struct Sampling {
  Measurement measurement;
  std::exception_ptr error;  // then the measurement is empty
};

/// Samples several launches in turns, so that what happens to the machine meanwhile (a clock that moves, a neighbour, a
/// virtual machine's cores that change places) happens to all of them.  Each warms up by itself; then come rounds, in
/// each of which every one takes a turn of at least kTurnSeconds, the round's first being the last one's second.  They
/// go on until the rule of each is satisfied, so that all have as many turns; but none beyond the rule's own limits of
/// time (its own turns' alone) and samples.  What is short, or hot, is launched once untimed before its turn: its code
/// and data are in the caches again, as they are without the others.  All kernels of a point are, where the quickest is
/// short: none shall have an advantage by it.
///
/// Ranks agree: a sample is the slowest rank's time, and rank 0 decides when to stop.  Every rank calls it.
/// Each has one sample at least, unless interrupted or timed out while warming up: then there are none.
/// A launch that never returns cannot be ended from within its process; one that does after more than the timeout
/// ends its own sampling.  A failed launch's error is its own on its rank, and a MeasureError on the others.
std::vector<Sampling> sample_in_turns(const std::vector<Sampled>&, Backend&, Communicator&, const SamplingRule&, Mode,
                                      const std::atomic<bool>& interrupted, const Clock& now = steady_seconds);
inline constexpr double kTurnSeconds = 10e-3;

/// One alone.  Throws its error.
Measurement sample(const Sampled&, Backend&, Communicator&, const SamplingRule&, Mode,
                   const std::atomic<bool>& interrupted, const Clock& now = steady_seconds);

}  // namespace assay
