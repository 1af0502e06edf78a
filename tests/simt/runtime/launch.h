// A launch: what the runtime refuses at once, and what waits in the stream.
#pragma once
#include <cuda_runtime_api.h>

#include <cstddef>

namespace simt::runtime {

struct LaunchShape {
  dim3 grid, block, cluster;
  std::size_t shared_bytes;  // dynamic
};

/// The arguments are copied before it returns, as the sizes in the kernel's PTX say.
cudaError_t launch(const void* stub, const LaunchShape&, void** arguments, cudaStream_t);
cudaError_t unsupported_attribute(int id);

}  // namespace simt::runtime
