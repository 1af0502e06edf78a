// Memory of the current device that a prepared operation owns: workspaces, tables.  Host code only; C++17.
#pragma once
#include <cstddef>
#include <memory>
#include <vector>

#include "kernels/common/cuda_check.h"
#include "kernels/common/cuda_copy.h"
#include "kernels/common/stream.h"

namespace assay {

struct FreeDeviceMemory {
  void operator()(void* memory) const { cudaFree(memory); }
};

/// Aligned to 256 bytes; null where nothing was asked for.  What is in it is not defined.
using DeviceMemory = std::unique_ptr<void, FreeDeviceMemory>;

inline DeviceMemory device_memory(std::size_t bytes) {
  if (bytes == 0) return nullptr;
  void* memory = nullptr;
  ASSAY_CHECK_CUDA(cudaMalloc(&memory, bytes));
  return DeviceMemory(memory);
}

/// Filled with `byte` by the time that what follows on `stream` runs.
inline DeviceMemory filled_device_memory(std::size_t bytes, int byte, Stream stream) {
  DeviceMemory memory = device_memory(bytes);
  if (memory) ASSAY_CHECK_CUDA(cudaMemsetAsync(memory.get(), byte, bytes, stream));
  return memory;
}

template <class T>
DeviceMemory to_device(const std::vector<T>& values) {
  const std::size_t bytes = values.size() * sizeof(T);
  DeviceMemory memory = device_memory(bytes);
  if (memory) copy_to_device(memory.get(), values.data(), bytes);
  return memory;
}

}  // namespace assay
