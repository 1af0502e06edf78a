// cuBLASLt, loaded at run time: the functions we call, by their own types.
#pragma once
#include <cublasLt.h>

#include <string>

#include "kernels/common/dynamic_library.h"

// What the headers know: e8m0 and e4m3 factors of blocks since 12.8, fp32 factors of 128 since 12.9.
#define ASSAY_CUBLASLT_HAS_BLOCK_SCALES (CUBLAS_VER_MAJOR * 100 + CUBLAS_VER_MINOR >= 1208)
#define ASSAY_CUBLASLT_HAS_128_SCALES (CUBLAS_VER_MAJOR * 100 + CUBLAS_VER_MINOR >= 1209)

namespace assay {

struct CublasLtLibrary {
  CublasLtLibrary();  // throws std::runtime_error where it cannot be loaded

  DynamicLibrary library;
  decltype(&cublasLtGetVersion) get_version;
  decltype(&cublasLtGetStatusString) status_string;
  decltype(&cublasLtCreate) create;
  decltype(&cublasLtDestroy) destroy;
  decltype(&cublasLtMatmul) matmul;
  decltype(&cublasLtMatmulDescCreate) desc_create;
  decltype(&cublasLtMatmulDescDestroy) desc_destroy;
  decltype(&cublasLtMatmulDescSetAttribute) desc_set;
  decltype(&cublasLtMatrixLayoutCreate) layout_create;
  decltype(&cublasLtMatrixLayoutDestroy) layout_destroy;
  decltype(&cublasLtMatmulPreferenceCreate) preference_create;
  decltype(&cublasLtMatmulPreferenceDestroy) preference_destroy;
  decltype(&cublasLtMatmulPreferenceSetAttribute) preference_set;
  decltype(&cublasLtMatmulAlgoGetHeuristic) get_heuristic;
  decltype(&cublasLtMatmulAlgoConfigGetAttribute) config_get;
  decltype(&cublasLtMatmulAlgoCapGetAttribute) capability_get;

  /// Throws std::runtime_error naming `call` unless `status` is success; Unsupported where the library says that.
  void check(cublasStatus_t status, const char* call) const;
};

/// Null, and `reason` set to one line, where the library cannot be loaded.  Tried once per process.
const CublasLtLibrary* cublaslt_library(std::string& reason);

}  // namespace assay
