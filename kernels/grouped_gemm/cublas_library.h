// cuBLAS, loaded at run time: the functions we call.
#pragma once
#include <cublas_v2.h>

#include <string>

#include "kernels/common/dynamic_library.h"

namespace assay {

struct CublasLibrary {
  CublasLibrary();  // throws std::runtime_error where it cannot be loaded, or is older than 12.5

  /// cublasGemmGroupedBatchedEx, written out because headers before 12.5 lack it.  Arrays of shapes, alpha and beta lie
  /// on the host, the arrays of pointers on the device.
  using GemmGroupedBatchedEx = cublasStatus_t(cublasHandle_t, const cublasOperation_t* transa,
                                              const cublasOperation_t* transb, const int* m, const int* n, const int* k,
                                              const void* alpha, const void* const* a, cudaDataType_t, const int* lda,
                                              const void* const* b, cudaDataType_t, const int* ldb, const void* beta,
                                              void* const* c, cudaDataType_t, const int* ldc, int group_count,
                                              const int* group_size, cublasComputeType_t);

  DynamicLibrary library;
  decltype(&cublasGetStatusString) status_string;
  decltype(&cublasCreate_v2) create;
  decltype(&cublasDestroy_v2) destroy;
  decltype(&cublasGetVersion_v2) get_version;
  decltype(&cublasSetStream_v2) set_stream;
  decltype(&cublasSetWorkspace_v2) set_workspace;
  GemmGroupedBatchedEx* gemm_grouped;

  /// Throws std::runtime_error naming `call` unless `status` is success.
  void check(cublasStatus_t status, const char* call) const;
};

/// Null, and `reason` set to one line, where the library cannot be loaded.  Tried once per process.
const CublasLibrary* cublas_library(std::string& reason);

}  // namespace assay
