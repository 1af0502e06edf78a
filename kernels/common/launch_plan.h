// What a launch needs besides the code: computed by one host function per kernel, used unchanged by the launcher on a
// GPU and by the functional GPU in tests/simt.  C++17.
#pragma once

namespace assay {

struct GridDim {
  unsigned x = 1, y = 1, z = 1;
};

/// `Params` is the kernel's only parameter, passed by value.
template <class Params>
struct LaunchPlan {
  const char* kernel = nullptr;  // the kernel's name as in its table of instantiations
  GridDim grid, block, cluster;
  unsigned shared_bytes = 0;     // dynamic shared memory
  Params params{};
};

}  // namespace assay
