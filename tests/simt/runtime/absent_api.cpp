// What the program names but cannot reach here: only NCCL's rows and those of sm_90 call it.
#include <cuda_runtime_api.h>

#include <cstdio>
#include <cstdlib>

namespace {

[[noreturn]] void absent(const char* function) {
  std::fprintf(stderr, "%s is not among the functions of tests/simt/runtime\n", function);
  std::abort();
}

}  // namespace

extern "C" {

cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode) { absent(__func__); }
cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t*) { absent(__func__); }
cudaError_t cudaGraphInstantiate(cudaGraphExec_t*, cudaGraph_t, unsigned long long) { absent(__func__); }
cudaError_t cudaGraphDestroy(cudaGraph_t) { absent(__func__); }
cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) { absent(__func__); }
cudaError_t cudaGraphLaunch(cudaGraphExec_t, cudaStream_t) { absent(__func__); }
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t) { absent(__func__); }

}  // extern "C"
