// Which instruction sets Highway compiles our CPU kernels for.  Include before <hwy/foreach_target.h>.
#pragma once
#include <hwy/detect_targets.h>
// Vectors whose length is known only at run time (SVE, RVV) cannot be held in arrays, as the tiles do; Arm runs NEON.
// SSSE3 without SSE4 was last sold in 2008; leaving it out saves a fifth of a long compilation.
#undef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV | HWY_SSSE3)
