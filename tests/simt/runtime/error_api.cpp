// Errors.  A fault that the functional GPU found is what cudaGetErrorString says.
#include <deque>

#include "tests/simt/runtime/runtime.h"

using namespace simt::runtime;

namespace {

struct ErrorName {
  cudaError_t code;
  const char* name;
  const char* text;
};

#define ASSAY_ERROR(code, text) \
  { code, #code, text }
constexpr ErrorName kErrors[] = {
    ASSAY_ERROR(cudaSuccess, "no error"),
    ASSAY_ERROR(cudaErrorInvalidValue, "invalid argument"),
    ASSAY_ERROR(cudaErrorMemoryAllocation, "out of memory"),
    ASSAY_ERROR(cudaErrorInvalidConfiguration, "invalid configuration argument"),
    ASSAY_ERROR(cudaErrorMissingConfiguration, "__global__ function call is not configured"),
    ASSAY_ERROR(cudaErrorInvalidDeviceFunction, "invalid device function"),
    ASSAY_ERROR(cudaErrorInvalidDevice, "invalid device ordinal"),
    ASSAY_ERROR(cudaErrorNoKernelImageForDevice, "no kernel image is available for execution on the device"),
    ASSAY_ERROR(cudaErrorInvalidResourceHandle, "invalid resource handle"),
    ASSAY_ERROR(cudaErrorNotReady, "device not ready"),
    ASSAY_ERROR(cudaErrorIllegalAddress, "an illegal memory access was encountered"),
    ASSAY_ERROR(cudaErrorLaunchTimeout, "the launch timed out and was terminated"),
    ASSAY_ERROR(cudaErrorIllegalInstruction, "an illegal instruction was encountered"),
    ASSAY_ERROR(cudaErrorMisalignedAddress, "misaligned address"),
    ASSAY_ERROR(cudaErrorLaunchFailure, "unspecified launch failure"),
    ASSAY_ERROR(cudaErrorNotSupported, "operation not supported"),
};
#undef ASSAY_ERROR

const ErrorName* find(cudaError_t code) {
  for (const ErrorName& row : kErrors)
    if (row.code == code) return &row;
  return nullptr;
}

std::string detail_of(Runtime& runtime, cudaError_t code) {
  for (int ordinal = 0; ordinal < runtime.count(); ++ordinal)
    if (runtime.device(ordinal).fault == code) return runtime.device(ordinal).fault_text;
  return last_error().detailed.code == code ? last_error().detailed.detail : "";
}

}  // namespace

extern "C" {

cudaError_t cudaGetLastError() {
  Runtime& runtime = Runtime::get();
  const std::lock_guard lock(runtime.mutex);
  const cudaError_t last = last_error().code;
  last_error().code = cudaSuccess;
  return last != cudaSuccess ? last : runtime.current().fault;
}

const char* cudaGetErrorName(cudaError_t code) {
  const ErrorName* row = find(code);
  return row ? row->name : "unrecognized error code";
}

const char* cudaGetErrorString(cudaError_t code) {
  static std::deque<std::string> kept;  // the caller may keep the pointer
  Runtime& runtime = Runtime::get();
  const std::lock_guard lock(runtime.mutex);
  const ErrorName* row = find(code);
  if (row == nullptr) return "unrecognized error code";
  const std::string detail = code == cudaSuccess ? "" : detail_of(runtime, code);
  if (detail.empty()) return row->text;
  return kept.emplace_back(row->text + (": " + detail)).c_str();
}

}  // extern "C"
