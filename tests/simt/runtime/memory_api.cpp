// Memory.  Copies that the CUDA runtime may finish after it returned ("API synchronization behavior" in its
// documentation) do so here, as late as possible.
#include <cstdlib>
#include <cstring>

#include "tests/simt/runtime/runtime.h"

using namespace simt::runtime;

namespace {

/// The device end of a copy must lie in one allocation: told at once, as the runtime does.
void check_range(Runtime& runtime, const void* p, std::size_t bytes, const char* what) {
  const int ordinal = runtime.device_of(p);
  if (ordinal >= 0) runtime.device(ordinal).heap.check(p, bytes, what, nullptr);
}

void check_kind(Runtime& runtime, const void* to, const void* from, cudaMemcpyKind kind) {
  if (kind == cudaMemcpyDefault) return;
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (to_device != (runtime.device_of(to) >= 0) || from_device != (runtime.device_of(from) >= 0))
    throw ApiError{cudaErrorInvalidValue, "a copy of another kind than its pointers"};
}

void enqueue_copy(Runtime& runtime, CUstream_st& stream, void* to, const void* from, std::size_t bytes,
                  cudaMemcpyKind kind) {
  check_kind(runtime, to, from, kind);
  check_range(runtime, to, bytes, "copy");
  check_range(runtime, from, bytes, "copy");
  const bool from_pageable = runtime.device_of(from) < 0 && !runtime.is_pinned(from);
  if (!from_pageable) {
    runtime.enqueue(stream, {[=] { std::memcpy(to, from, bytes); }, nullptr, nullptr});
    return;
  }
  // Staged before the function returns; the program may reuse the source.
  const auto* first = static_cast<const unsigned char*>(from);
  auto staged = std::make_shared<std::vector<unsigned char>>(first, first + bytes);
  runtime.enqueue(stream, {[=] { std::memcpy(to, staged->data(), bytes); }, nullptr, nullptr});
}

bool to_pageable(Runtime& runtime, const void* to) { return runtime.device_of(to) < 0 && !runtime.is_pinned(to); }

void enqueue_fill(Runtime& runtime, CUstream_st& stream, void* to, int byte, std::size_t bytes) {
  if (runtime.device_of(to) < 0) throw ApiError{cudaErrorInvalidValue, "memset of memory that is no device's"};
  check_range(runtime, to, bytes, "memset");
  runtime.enqueue(stream, {[=] { std::memset(to, byte, bytes); }, nullptr, nullptr});
}

}  // namespace

extern "C" {

cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  return api([&](Runtime& runtime) {
    *memory = nullptr;
    if (bytes == 0) return;
    Device& device = runtime.current();
    if (bytes > settings().memory_bytes - device.used) throw ApiError{cudaErrorMemoryAllocation};
    *memory = device.heap.allocate(bytes);
    device.allocations[*memory] = bytes;
    device.used += bytes;
  });
}

/// Waits for the device, as every driver's does.
cudaError_t cudaFree(void* memory) {
  return api([&](Runtime& runtime) {
    if (memory == nullptr) return;
    const int ordinal = runtime.device_of(memory);
    if (ordinal < 0) throw ApiError{cudaErrorInvalidValue, "free of memory that is no device's"};
    runtime.wait_for_device(ordinal);
    Device& device = runtime.device(ordinal);
    device.heap.free(memory);
    device.used -= device.allocations.at(memory);
    device.allocations.erase(memory);
  });
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  return api([&](Runtime& runtime) {
    *total = settings().memory_bytes;
    *free = *total - runtime.current().used;
  });
}

/// Mapped into every device, whatever the flags: they all share the process's addresses.
cudaError_t cudaHostAlloc(void** memory, std::size_t bytes, unsigned) {
  return api([&](Runtime& runtime) {
    *memory = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    std::memset(*memory, 0xff, bytes);
    runtime.pinned()[*memory] = bytes;
    for (int ordinal = 0; ordinal < runtime.count(); ++ordinal) runtime.device(ordinal).heap.adopt(*memory, bytes);
  });
}

cudaError_t cudaFreeHost(void* memory) {
  return api([&](Runtime& runtime) {
    if (memory == nullptr) return;
    for (int ordinal = 0; ordinal < runtime.count(); ++ordinal) runtime.wait_for_device(ordinal);
    if (runtime.pinned().erase(memory) == 0) throw ApiError{cudaErrorInvalidValue, "not from cudaHostAlloc"};
    for (int ordinal = 0; ordinal < runtime.count(); ++ordinal) runtime.device(ordinal).heap.free(memory);
    std::free(memory);
  });
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t handle) {
  return api([&](Runtime& runtime) {
    CUstream_st& stream = runtime.stream(handle);
    enqueue_copy(runtime, stream, to, from, bytes, kind);
    if (to_pageable(runtime, to)) runtime.wait_for(stream);
  });
}

/// From pageable memory to a device it returns when the source is staged: a stream that does not wait for the default
/// stream may run before the copy.  Between devices it does not wait at all.
cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  return api([&](Runtime& runtime) {
    CUstream_st& stream = runtime.stream(nullptr);
    runtime.wait_for(stream);
    enqueue_copy(runtime, stream, to, from, bytes, kind);
    if (runtime.device_of(to) < 0 || runtime.is_pinned(from)) runtime.wait_for(stream);
  });
}

cudaError_t cudaMemset(void* to, int byte, std::size_t bytes) {
  return api([&](Runtime& runtime) { enqueue_fill(runtime, runtime.stream(nullptr), to, byte, bytes); });
}

cudaError_t cudaMemsetAsync(void* to, int byte, std::size_t bytes, cudaStream_t handle) {
  return api([&](Runtime& runtime) { enqueue_fill(runtime, runtime.stream(handle), to, byte, bytes); });
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* p) {
  return api([&](Runtime& runtime) {
    *attributes = {};
    attributes->device = runtime.device_of(p);
    attributes->type = attributes->device >= 0 ? cudaMemoryTypeDevice
                       : runtime.is_pinned(p)  ? cudaMemoryTypeHost
                                               : cudaMemoryTypeUnregistered;
    if (attributes->device >= 0) attributes->devicePointer = const_cast<void*>(p);
  });
}

}  // extern "C"
