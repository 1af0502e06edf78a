// What one rank does in a collective over shared memory.
#pragma once
#include <cstdint>

#include "kernels/collectives/shm_group.h"

namespace assay {

/// From this size on a message and its result do not stay in the caches beside each other: storing past them saves
/// reading the output's lines first.
inline constexpr std::int64_t kPastCachesBytes = 1 << 20;

class RankAlgorithm {
 public:
  virtual ~RankAlgorithm() = default;
  /// Called by one thread at a time; all ranks run the same sequence.  Returns when this rank's output is complete.
  /// std::runtime_error naming the rank that did not arrive before the deadline; after that the group is unusable.
  virtual void run(const void* input, void* output) = 0;
};

}  // namespace assay
