#include "kernels/layer/cpu_parts.h"

#include "kernels/common/cpu/caches.h"

namespace assay::cpu {

bool exceeds_caches(double bytes) {
  static const double most = double(caches().level3) / 2;  // the other half is for what is read
  return bytes > most;
}

}  // namespace assay::cpu
