#include "kernels/common/cuda_check.h"

#include <cstring>
#include <stdexcept>
#include <string>

namespace assay {

void check_cuda(cudaError_t error, const char* call, const char* file, int line) {
  if (error == cudaSuccess) return;
  cudaGetLastError();  // forget it: the next call's check must not report this one again
  const char* slash = std::strrchr(file, '/');
  throw std::runtime_error(std::string(slash ? slash + 1 : file) + ":" + std::to_string(line) + ": " + call + ": " +
                           cudaGetErrorString(error) + " (" + cudaGetErrorName(error) + ")");
}

}  // namespace assay
