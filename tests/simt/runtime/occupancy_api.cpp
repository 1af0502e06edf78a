// How much of a device a kernel may fill.
#include "tests/simt/runtime/runtime.h"

using namespace simt::runtime;

/// As if every multiprocessor took one block, whose clusters lie anywhere.
extern "C" cudaError_t cudaOccupancyMaxActiveClusters(int* clusters, const void*, const cudaLaunchConfig_t* config) {
  return api([&](Runtime&) {
    unsigned size = 1;
    for (unsigned i = 0; i < config->numAttrs; ++i)
      if (const cudaLaunchAttribute& one = config->attrs[i]; one.id == cudaLaunchAttributeClusterDimension)
        size = one.val.clusterDim.x * one.val.clusterDim.y * one.val.clusterDim.z;
    *clusters = settings().multiprocessors / int(size);
  });
}
