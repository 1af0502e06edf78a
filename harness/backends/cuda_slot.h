// One GPU of the CUDA backend: two streams, and the events that time them and order them.
#pragma once
#include <cuda_runtime.h>

#include <string>

#include "harness/backends/cuda_device.h"

namespace assay {

struct CudaSlot {
  explicit CudaSlot(int ordinal) : target(gpu_target(ordinal)) {
    use();
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "making a stream");
    check(cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking), "making a stream");
    check(cudaEventCreateWithFlags(&second_done, cudaEventDisableTiming), "making an event");
    check(cudaEventCreateWithFlags(&first_done, cudaEventDisableTiming), "making an event");
    check(cudaEventCreate(&start), "making an event");
    check(cudaEventCreate(&stop), "making an event");
  }
  ~CudaSlot() {  // after a fault these fail, and there is nothing left to do about it
    cudaSetDevice(target.index);
    if (start != nullptr) cudaEventDestroy(start);
    if (stop != nullptr) cudaEventDestroy(stop);
    if (first_done != nullptr) cudaEventDestroy(first_done);
    if (second_done != nullptr) cudaEventDestroy(second_done);
    if (second != nullptr) cudaStreamDestroy(second);
    if (stream != nullptr) cudaStreamDestroy(stream);
  }
  CudaSlot(const CudaSlot&) = delete;
  CudaSlot& operator=(const CudaSlot&) = delete;

  void check(cudaError_t error, const std::string& what) const { check_gpu(error, target.index, what); }
  void use() const { check(cudaSetDevice(target.index), "selecting it"); }

  Target target;
  cudaStream_t stream = nullptr, second = nullptr;
  cudaEvent_t second_done = nullptr, first_done = nullptr;
  mutable bool uses_second = false;  // somebody asked for it: a case of one stream pays nothing for two
  cudaEvent_t start = nullptr, stop = nullptr;
};

}  // namespace assay
