#include "kernels/gemm/vendor/cublaslt_library.h"

#include <memory>
#include <stdexcept>

#include "kernels/common/kernel.h"

namespace assay {
namespace {

// The library's own loader path first; then the toolkit this was built with, which is often on no path.
std::vector<std::string> candidates() {
  const std::string name = "libcublasLt.so." + std::to_string(CUBLAS_VER_MAJOR);
  return {name, std::string(ASSAY_CUDA_LIBRARY_DIR) + "/" + name};
}

struct Loaded {
  std::unique_ptr<const CublasLtLibrary> library;
  std::string reason;
};

Loaded load() {
  try {
    return {std::make_unique<const CublasLtLibrary>(), {}};
  } catch (const std::exception& error) {
    return {nullptr, std::string("cuBLASLt cannot be loaded: ") + error.what()};
  }
}

}  // namespace

CublasLtLibrary::CublasLtLibrary() : library(candidates()) {
  library.resolve("cublasLtGetVersion", get_version);
  library.resolve("cublasLtGetStatusString", status_string);
  library.resolve("cublasLtCreate", create);
  library.resolve("cublasLtDestroy", destroy);
  library.resolve("cublasLtMatmul", matmul);
  library.resolve("cublasLtMatmulDescCreate", desc_create);
  library.resolve("cublasLtMatmulDescDestroy", desc_destroy);
  library.resolve("cublasLtMatmulDescSetAttribute", desc_set);
  library.resolve("cublasLtMatrixLayoutCreate", layout_create);
  library.resolve("cublasLtMatrixLayoutDestroy", layout_destroy);
  library.resolve("cublasLtMatmulPreferenceCreate", preference_create);
  library.resolve("cublasLtMatmulPreferenceDestroy", preference_destroy);
  library.resolve("cublasLtMatmulPreferenceSetAttribute", preference_set);
  library.resolve("cublasLtMatmulAlgoGetHeuristic", get_heuristic);
  library.resolve("cublasLtMatmulAlgoConfigGetAttribute", config_get);
  library.resolve("cublasLtMatmulAlgoCapGetAttribute", capability_get);
}

void CublasLtLibrary::check(cublasStatus_t status, const char* call) const {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  const std::string text = std::string(call) + ": " + status_string(status);
  if (status == CUBLAS_STATUS_NOT_SUPPORTED) throw Unsupported(text);
  throw std::runtime_error(text);
}

const CublasLtLibrary* cublaslt_library(std::string& reason) {
  static const Loaded loaded = load();
  reason = loaded.reason;
  return loaded.library.get();
}

}  // namespace assay
