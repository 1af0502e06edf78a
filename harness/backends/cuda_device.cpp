#include "harness/backends/cuda_device.h"

#include <algorithm>

#include "assay/build_config.h"
#include "harness/backends/backend.h"
#include "harness/core/error.h"

namespace assay {
namespace {

int attribute(cudaDeviceAttr which, int ordinal) {
  int value = 0;
  check_gpu(cudaDeviceGetAttribute(&value, which, ordinal), ordinal, "reading its attributes");
  return value;
}

int compute_capability(int ordinal) {
  return 10 * attribute(cudaDevAttrComputeCapabilityMajor, ordinal) +
         attribute(cudaDevAttrComputeCapabilityMinor, ordinal);
}

/// Why the runtime found no device.  It says "insufficient driver" where there is none at all, too.
std::string reason_for(cudaError_t error) {
  int driver = 0, runtime = 0;
  cudaRuntimeGetVersion(&runtime);
  if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0)
    return "no NVIDIA driver here (libcuda.so.1 was not found or does not load)";
  if (error == cudaErrorInsufficientDriver)
    return "the NVIDIA driver is too old: it supports CUDA " + cuda_version_text(driver) + ", this build needs " +
           cuda_version_text(runtime);
  if (error == cudaErrorNoDevice) return "the NVIDIA driver is here, but it sees no GPU (is CUDA_VISIBLE_DEVICES set?)";
  return std::string("CUDA does not start: ") + cudaGetErrorString(error) + " (" + cudaGetErrorName(error) + ")";
}

}  // namespace

void check_gpu(cudaError_t error, int ordinal, const std::string& what) {
  if (error == cudaSuccess) return;
  cudaGetLastError();  // the runtime keeps the error and would report it again at the next launch
  throw MeasureError("GPU " + std::to_string(ordinal) + ": " + what + ": " + cudaGetErrorString(error) + " (" +
                     cudaGetErrorName(error) + ")");
}

Target gpu_target(int ordinal) {
  Target out;
  out.device = Device::gpu;
  out.index = ordinal;
  out.threads = available_threads();
  out.compute_capability = compute_capability(ordinal);
  out.multiprocessors = attribute(cudaDevAttrMultiProcessorCount, ordinal);
  out.shared_bytes_per_block = std::size_t(attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, ordinal));
  return out;
}

std::string gpu_name(int ordinal) {
  cudaDeviceProp properties;
  check_gpu(cudaGetDeviceProperties(&properties, ordinal), ordinal, "reading its name");
  return properties.name;
}

std::string built_for_others(const Target& target) {
  return "GPU " + std::to_string(target.index) + " (" + gpu_name(target.index) + ") is sm_" +
         std::to_string(target.compute_capability) +
         ", and this build has kernels for " ASSAY_CUDA_ARCHITECTURES
         " alone: build it with -DASSAY_CUDA_ARCHITECTURES for that GPU too";
}

std::string cuda_version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

GpuProbe probe_gpus() {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess) {
    cudaGetLastError();
    return {0, reason_for(error)};
  }
  if (count == 0) return {0, reason_for(cudaErrorNoDevice)};
  int newest = 0;
  for (int ordinal = 0; ordinal < count; ++ordinal) newest = std::max(newest, compute_capability(ordinal));
  if (newest < kLeastComputeCapability)
    return {0, "the GPUs here are sm_" + std::to_string(newest) + " at most; kernels start at sm_" +
                   std::to_string(kLeastComputeCapability)};
  return {count, {}};
}

std::string gpu_pci_bus_id(int ordinal) {
  char text[32] = "";  // the longest has 13 characters
  if (cudaDeviceGetPCIBusId(text, sizeof text, ordinal) == cudaSuccess) return text;
  cudaGetLastError();
  return {};
}

}  // namespace assay
