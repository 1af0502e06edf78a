// Compiles the file that HWY_TARGET_INCLUDE names once for every vector instruction set; which of them runs is chosen
// at run time, by HWY_DYNAMIC_DISPATCH.  No include guard: the file includes this again each time, and must be all the
// same text but for what stands under HWY_ONCE or a guard of its own.
#include "kernels/common/cpu/highway_targets.h"
// clang-format off: foreach_target.h must come first
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on
#include <hwy/cache_control.h>
