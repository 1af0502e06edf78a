// Limits of the devices: those of the CUDA C++ Programming Guide, "Compute Capabilities".
#pragma once
#include <cstddef>

#include "tests/simt/runtime/settings.h"

namespace simt::runtime {

constexpr unsigned kMaxThreads = 1024, kMaxBlockZ = 64;
constexpr unsigned kMaxGridX = 0x7fffffff, kMaxGridYZ = 65535;
constexpr std::size_t kDefaultSharedBytes = 48 * 1024;

/// Of a block that asked for it.
inline int shared_bytes_optin() { return (settings().compute_capability == 80 ? 163 : 227) * 1024; }

/// No GPU has so little: what is meant to be out of the cache stays small.
constexpr int kL2Bytes = 2 * 1024 * 1024;

}  // namespace simt::runtime
