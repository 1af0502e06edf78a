// Which streams an operation that only moves memory is held to: those that read and write in its own proportion.
//
// Memory moves more bytes a second where as many are written as read than where all are read, so no operation that
// reads two arrays and writes one can reach the rate of a copy.  STREAM (McCalpin 1995) measures one array read and one
// written (copy), and two read and one written (triad); the workload peak adds all read and all written.  What lies
// between is as many launches of each as make up its arrays: three read and two written are a triad and a copy, and
// take as long as both.  Measured on two Zen 4 cores placed near each other: 46.8 GB/s so, 47.8 as one loop over five
// arrays; three read and one written, a triad and a read, 43.2 and 42.4.  Placed far apart, where memory gives twice as
// much, one loop over more arrays is faster than its parts: 85 against 73 for three and two, 88 against a copy's 76 for
// two and two; there an operation on many arrays may exceed 100 %.
//
// What is updated in place (AdamW, the loss and its gradient) is counted as read and written like everything else,
// though memory takes it faster, 60 GB/s where a copy has 49 there: such an operation may exceed 100 %.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "harness/core/case.h"

namespace assay {

/// What is read and written, in one measure: arrays of the operation's elements, or bytes an element.
struct StreamMix {
  double reads = 0, writes = 0;
};

/// Of a case of the workloads between a transformer layer's products and around them; nothing for others.
std::optional<StreamMix> stream_mix(const Case&);

/// Launches of one unit of the workload peak, on arrays of the mix's measure.
struct StreamPart {
  std::string unit;  // "copy"
  int arrays = 2;    // it reads and writes
  double launches = 0;
};
/// As many of each as read and write the mix; none without launches.
std::vector<StreamPart> stream_parts(const StreamMix&);

}  // namespace assay
