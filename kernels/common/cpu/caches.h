// How large this machine's caches are.
#pragma once
#include <cstdint>

namespace assay::cpu {

/// Bytes of one data cache of each level; where the system does not tell, sizes that most CPUs exceed.
struct Caches {
  std::int64_t level1 = 32 << 10;
  std::int64_t level2 = 512 << 10;
};

Caches caches();

}  // namespace assay::cpu
