#include "tests/simt/runtime/launch.h"

#include "tests/simt/runtime/kernels.h"
#include "tests/simt/runtime/limits.h"
#include "tests/simt/runtime/runtime.h"

namespace simt::runtime {
namespace {

Dim3 dim(const dim3& d) { return {d.x, d.y, d.z}; }

RegisteredKernel& registered(const void* stub) {
  if (RegisteredKernel* found = Kernels::all().find(stub)) return *found;
  throw ApiError{cudaErrorInvalidDeviceFunction, "no kernel was registered under this address"};
}

const ptx::Kernel& device_code(RegisteredKernel& kernel) {
  try {
    return kernel.binary->kernel(kernel.name, settings().compute_capability);
  } catch (const std::exception& error) {
    throw ApiError{cudaErrorNoKernelImageForDevice, error.what()};
  }
}

void check_shape(const ptx::Kernel& code, const RegisteredKernel& kernel, const LaunchShape& s, int device) {
  const auto threads = std::uint64_t(s.block.x) * s.block.y * s.block.z;
  if (s.grid.x == 0 || s.grid.y == 0 || s.grid.z == 0 || s.grid.x > kMaxGridX || s.grid.y > kMaxGridYZ ||
      s.grid.z > kMaxGridYZ)
    throw ApiError{cudaErrorInvalidConfiguration, format("a grid of %u x %u x %u", s.grid.x, s.grid.y, s.grid.z)};
  if (threads == 0 || threads > kMaxThreads || s.block.z > kMaxBlockZ)
    throw ApiError{cudaErrorInvalidConfiguration, format("a block of %u x %u x %u", s.block.x, s.block.y, s.block.z)};
  if (code.max_threads && threads > code.max_threads)
    throw ApiError{cudaErrorInvalidValue, format("a block of %llu threads of a kernel compiled for %u at most",
                                                 (unsigned long long)threads, code.max_threads)};
  const auto allowed = kernel.shared_allowance.find(device);
  const std::size_t most = allowed == kernel.shared_allowance.end() ? kDefaultSharedBytes : allowed->second;
  if (s.shared_bytes > most || s.shared_bytes + code.declared_shared > std::size_t(shared_bytes_optin()))
    throw ApiError{cudaErrorInvalidValue,
                   format("%zu bytes of dynamic shared memory beside %u static ones, %zu allowed", s.shared_bytes,
                          code.declared_shared, most)};
  if (settings().compute_capability < 90 && dim(s.cluster).count() != 1)
    throw ApiError{cudaErrorNotSupported, "clusters begin at sm_90"};
}

std::vector<unsigned char> parameter_block(const ptx::Kernel& code, void** arguments) {
  std::vector<unsigned char> block(code.param_bytes);
  for (std::size_t i = 0; i < code.params.size(); ++i)
    std::memcpy(block.data() + code.params[i].off, arguments[i], code.params[i].bytes);
  return block;
}

/// While it lives, every allocation seems shorter to the kernel than the program was told: a planted mistake.
class Shortened {
 public:
  Shortened(DeviceHeap& heap, std::size_t bytes) : heap_(heap) { heap_.shorten(bytes); }
  ~Shortened() { heap_.shorten(0); }
  Shortened(const Shortened&) = delete;
  Shortened& operator=(const Shortened&) = delete;

 private:
  DeviceHeap& heap_;
};

}  // namespace

cudaError_t launch(const void* stub, const LaunchShape& shape, void** arguments, cudaStream_t handle) {
  return api([&](Runtime& runtime) {
    CUstream_st& stream = runtime.stream(handle);
    if (stream.device != runtime.current_ordinal())
      throw ApiError{cudaErrorInvalidResourceHandle, "the stream is another device's than the current one"};
    RegisteredKernel& kernel = registered(stub);
    const ptx::Kernel& code = device_code(kernel);
    check_shape(code, kernel, shape, stream.device);
    const ptx::Launch launch = {dim(shape.grid), dim(shape.block), unsigned(shape.shared_bytes), dim(shape.cluster)};
    const std::size_t shortened = code.name.find(settings().kernel) != std::string::npos ? settings().shortened : 0;
    DeviceHeap& heap = runtime.current().heap;
    runtime.enqueue(stream, {[&code, &heap, launch, shortened, block = parameter_block(code, arguments)] {
                               const Shortened planted(heap, shortened);
                               Options options = settings().machine;
                               options.heap = &heap;
                               ptx::run(code, launch, options, block);
                             },
                             nullptr, nullptr});
  });
}

cudaError_t unsupported_attribute(int id) {
  return api([&](Runtime&) {
    throw ApiError{cudaErrorNotSupported, format("launch attribute %d is not among those of tests/simt/runtime", id)};
  });
}

}  // namespace simt::runtime

using namespace simt::runtime;

extern "C" cudaError_t cudaFuncSetAttribute(const void* stub, cudaFuncAttribute attribute, int value) {
  return api([&](Runtime& runtime) {
    RegisteredKernel& kernel = registered(stub);
    if (attribute == cudaFuncAttributePreferredSharedMemoryCarveout) return;  // a hint
    if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize)
      throw ApiError{cudaErrorNotSupported,
                     simt::format("function attribute %d is not among those of tests/simt/runtime", int(attribute))};
    const int most = shared_bytes_optin() - int(device_code(kernel).declared_shared);
    if (value < 0 || value > most)
      throw ApiError{cudaErrorInvalidValue, simt::format("%d bytes of shared memory, %d at most", value, most)};
    kernel.shared_allowance[runtime.current_ordinal()] = unsigned(value);
  });
}
