// What nvcc's generated code calls: before main() to register kernels, and where <<<>>> stands.
#include "tests/simt/runtime/kernels.h"
#include "tests/simt/runtime/launch.h"

namespace simt::runtime {
namespace {

struct CallConfiguration {
  dim3 grid, block;
  std::size_t shared_bytes;
  cudaStream_t stream;
};
thread_local std::vector<CallConfiguration> configurations;

}  // namespace
}  // namespace simt::runtime

using namespace simt::runtime;

extern "C" {

void** __cudaRegisterFatBinary(void* binary) { return reinterpret_cast<void**>(Kernels::all().add_binary(binary)); }
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}

void __cudaRegisterFunction(void** binary, const char* stub, char*, const char* name, int, uint3*, uint3*, dim3*, dim3*,
                            int*) {
  Kernels::all().add(reinterpret_cast<FatBinary*>(binary), stub, name);
}

/// Variables have their place in the module; nothing here copies to them by symbol.
void __cudaRegisterVar(void**, char*, char*, const char*, int, std::size_t, int, int) {}

unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, std::size_t shared_bytes, CUstream_st* stream) {
  configurations.push_back({grid, block, shared_bytes, stream});
  return 0;
}

cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, std::size_t* shared_bytes, void* stream) {
  if (configurations.empty()) return cudaErrorMissingConfiguration;
  const CallConfiguration& top = configurations.back();
  *grid = top.grid, *block = top.block, *shared_bytes = top.shared_bytes;
  *static_cast<cudaStream_t*>(stream) = top.stream;
  configurations.pop_back();
  return cudaSuccess;
}

/// A handle is the stub's address: all that a launch needs to find the kernel.
cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* stub) {
  *kernel = static_cast<cudaKernel_t>(const_cast<void*>(stub));
  return cudaSuccess;
}

cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** arguments, std::size_t shared_bytes,
                               cudaStream_t stream) {
  return launch(kernel, {grid, block, dim3(1, 1, 1), shared_bytes}, arguments, stream);
}

cudaError_t cudaLaunchKernel(const void* stub, dim3 grid, dim3 block, void** arguments, std::size_t shared_bytes,
                             cudaStream_t stream) {
  return launch(stub, {grid, block, dim3(1, 1, 1), shared_bytes}, arguments, stream);
}

cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* config, const void* stub, void** arguments) {
  LaunchShape shape = {config->gridDim, config->blockDim, dim3(1, 1, 1), config->dynamicSmemBytes};
  for (unsigned i = 0; i < config->numAttrs; ++i) {
    const cudaLaunchAttribute& attribute = config->attrs[i];
    if (attribute.id != cudaLaunchAttributeClusterDimension) return unsupported_attribute(int(attribute.id));
    const auto& cluster = attribute.val.clusterDim;
    shape.cluster = dim3(cluster.x, cluster.y, cluster.z);
  }
  return launch(stub, shape, arguments, config->stream);
}

}  // extern "C"
