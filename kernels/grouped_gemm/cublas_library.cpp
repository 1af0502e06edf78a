#include "kernels/grouped_gemm/cublas_library.h"

#include <memory>
#include <stdexcept>

namespace assay {
namespace {

// The library's own loader path first; then the toolkit this was built with, which is often on no path.
std::vector<std::string> candidates() {
  const std::string name = "libcublas.so." + std::to_string(CUBLAS_VER_MAJOR);
  return {name, std::string(ASSAY_CUDA_LIBRARY_DIR) + "/" + name};
}

struct Loaded {
  std::unique_ptr<const CublasLibrary> library;
  std::string reason;
};

Loaded load() {
  try {
    return {std::make_unique<const CublasLibrary>(), {}};
  } catch (const std::exception& error) {
    return {nullptr, std::string("cuBLAS with grouped GEMM (12.5 or later) cannot be loaded: ") + error.what()};
  }
}

}  // namespace

CublasLibrary::CublasLibrary() : library(candidates()) {
  library.resolve("cublasGetStatusString", status_string);
  library.resolve("cublasCreate_v2", create);
  library.resolve("cublasDestroy_v2", destroy);
  library.resolve("cublasGetVersion_v2", get_version);
  library.resolve("cublasSetStream_v2", set_stream);
  library.resolve("cublasSetWorkspace_v2", set_workspace);
  library.resolve("cublasGemmGroupedBatchedEx", gemm_grouped);
}

void CublasLibrary::check(cublasStatus_t status, const char* call) const {
  if (status != CUBLAS_STATUS_SUCCESS) throw std::runtime_error(std::string(call) + ": " + status_string(status));
}

const CublasLibrary* cublas_library(std::string& reason) {
  static const Loaded loaded = load();
  reason = loaded.reason;
  return loaded.library.get();
}

}  // namespace assay
