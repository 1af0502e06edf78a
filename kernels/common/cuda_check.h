// Errors of the CUDA runtime as exceptions that name the call.  Host code only; C++17.
#pragma once
#include <cuda_runtime_api.h>

namespace assay {

/// Throws std::runtime_error naming `call`, its place and the runtime's words, unless `error` is cudaSuccess.
void check_cuda(cudaError_t error, const char* call, const char* file, int line);

}  // namespace assay

#define ASSAY_CHECK_CUDA(call) ::assay::check_cuda((call), #call, __FILE__, __LINE__)
