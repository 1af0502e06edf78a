// Products of tcgen05 on a GPU of compute capability 10.0 and on the functional GPU: the cases of its unit tests.
#pragma once
#include "tests/simt/conformance/driver_api.h"

namespace simt::conformance {

struct Tally {
  int ran = 0, failed = 0;
};

/// Without a GPU (null): that every case runs on the functional GPU.
Tally compare_blackwell(Gpu*);

}  // namespace simt::conformance
