// Devices: how many, what they are.
#include <cstdio>
#include <cstring>

#include "tests/simt/runtime/limits.h"
#include "tests/simt/runtime/runtime.h"
#include "tests/simt/tensor_map_encoder.h"

using namespace simt::runtime;

namespace {

constexpr int kVersion = CUDART_VERSION;  // of the runtime, and of a driver that there is not

/// Clocks and the memory's width are 0: nothing here has a speed, and nobody shall compute a peak from them.
int attribute_value(cudaDeviceAttr which) {
  switch (which) {
    case cudaDevAttrComputeCapabilityMajor:
      return settings().compute_capability / 10;
    case cudaDevAttrComputeCapabilityMinor:
      return settings().compute_capability % 10;
    case cudaDevAttrMultiProcessorCount:
      return settings().multiprocessors;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      return shared_bytes_optin();
    case cudaDevAttrL2CacheSize:
      return kL2Bytes;
    case cudaDevAttrClockRate:
    case cudaDevAttrMemoryClockRate:
    case cudaDevAttrGlobalMemoryBusWidth:
      return 0;
    default:
      throw ApiError{cudaErrorNotSupported,
                     simt::format("device attribute %d is not among those of tests/simt/runtime", int(which))};
  }
}

}  // namespace

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  return api([&](Runtime& runtime) { *count = runtime.count(); });
}

cudaError_t cudaSetDevice(int ordinal) {
  return api([&](Runtime& runtime) { runtime.select(ordinal); });
}

cudaError_t cudaGetDevice(int* ordinal) {
  return api([&](Runtime& runtime) { *ordinal = runtime.current_ordinal(); });
}

cudaError_t cudaDeviceSynchronize() {
  return api([&](Runtime& runtime) { runtime.wait_for_device(runtime.current_ordinal()); });
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = kVersion;
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = kVersion;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr which, int ordinal) {
  return api([&](Runtime& runtime) {
    runtime.device(ordinal);
    *value = attribute_value(which);
  });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int ordinal) {
  return api([&](Runtime& runtime) {
    runtime.device(ordinal);
    *properties = {};
    std::snprintf(properties->name, sizeof properties->name, "functional GPU (tests/simt)");
    std::memcpy(properties->uuid.bytes, "functional GPU", 14);
    properties->uuid.bytes[15] = char(ordinal);
    properties->major = settings().compute_capability / 10, properties->minor = settings().compute_capability % 10;
    properties->multiProcessorCount = settings().multiprocessors;
    properties->totalGlobalMem = settings().memory_bytes;
    properties->l2CacheSize = kL2Bytes;
    properties->sharedMemPerBlock = kDefaultSharedBytes;
    properties->sharedMemPerBlockOptin = std::size_t(shared_bytes_optin());
    properties->maxThreadsPerBlock = kMaxThreads;
    properties->warpSize = 32;
    properties->ECCEnabled = 1;
  });
}

cudaError_t cudaDeviceGetPCIBusId(char* text, int bytes, int ordinal) {
  return api([&](Runtime& runtime) {
    runtime.device(ordinal);
    std::snprintf(text, std::size_t(bytes), "0000:%02x:00.0", 0xf0 + ordinal);  // where no machine has one
  });
}

cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** function, unsigned, unsigned long long,
                                             cudaDriverEntryPointQueryResult* found) {
  return api([&](Runtime&) {
    const bool known = std::strcmp(symbol, "cuTensorMapEncodeTiled") == 0;
    *function = known ? reinterpret_cast<void*>(&encode_tensor_map) : nullptr;
    *found = known ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
  });
}

}  // extern "C"
