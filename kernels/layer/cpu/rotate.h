// One thread's tokens of rotary position embedding.
#pragma once
#include <cstdint>

#include "kernels/layer/rope.h"

namespace assay::cpu {

/// Tokens begin .. end - 1.  `stream`: y (dx) goes past the caches; every half of a head begins on 64 bytes there.
void rotate(const RopeProblem&, const RopeBuffers&, bool stream, std::int64_t begin, std::int64_t end);

}  // namespace assay::cpu
