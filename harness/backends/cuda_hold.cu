#include "harness/backends/cuda_hold.h"

namespace assay {
namespace {

__device__ unsigned long long nanoseconds() {
  unsigned long long value;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(value));
  return value;
}

/// One thread.  `state` is the host's memory: volatile, or the loop would keep what it read first.
__global__ void hold_kernel(volatile HoldState* state, unsigned ticket, unsigned long long patience) {
  const unsigned long long start = nanoseconds();
  while (state->released < ticket) {
    if (nanoseconds() - start > patience) {
      state->timed_out = ticket;
      return;
    }
  }
}

__global__ void empty_kernel() {}

}  // namespace

cudaError_t launch_hold(HoldState* state, unsigned ticket, cudaStream_t stream) {
  hold_kernel<<<1, 1, 0, stream>>>(state, ticket, (unsigned long long)(kHoldSeconds * 1e9));
  return cudaGetLastError();
}

cudaError_t launch_empty_kernel(cudaStream_t stream) {
  empty_kernel<<<1, 1, 0, stream>>>();
  return cudaGetLastError();
}

}  // namespace assay
