// Copies from the host while an operation is prepared.  Host code only; C++17.
#pragma once
#include <cstddef>

#include "kernels/common/cuda_check.h"

namespace assay {

/// Returns when the bytes are there.  cudaMemcpy alone may return once it has staged them, and the streams that kernels
/// are launched on (cudaStreamNonBlocking) do not wait for the default stream that copies.
inline void copy_to_device(void* to, const void* from, std::size_t bytes) {
  ASSAY_CHECK_CUDA(cudaMemcpy(to, from, bytes, cudaMemcpyHostToDevice));
  ASSAY_CHECK_CUDA(cudaStreamSynchronize(nullptr));
}

}  // namespace assay
