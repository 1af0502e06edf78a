#include "kernels/common/cpu/caches.h"

#include <unistd.h>

namespace assay::cpu {

Caches caches() {
  Caches found;
#if defined(_SC_LEVEL1_DCACHE_SIZE)
  if (const long bytes = sysconf(_SC_LEVEL1_DCACHE_SIZE); bytes > 0) found.level1 = bytes;
  if (const long bytes = sysconf(_SC_LEVEL2_CACHE_SIZE); bytes > 0) found.level2 = bytes;
#endif
  return found;
}

}  // namespace assay::cpu
