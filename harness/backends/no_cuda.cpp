// In place of cuda.cpp in a build without the CUDA toolkit.
#include "harness/backends/backend.h"
#include "harness/core/error.h"

namespace assay {

GpuProbe probe_gpus() { return {0, "this build has no CUDA"}; }

std::string gpu_pci_bus_id(int) { return {}; }

std::unique_ptr<Backend> make_cuda_backend(const std::vector<int>&, LaunchesMeet) {
  throw MeasureError("this build has no CUDA");
}

}  // namespace assay
