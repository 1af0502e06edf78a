// The attention kernels for NVIDIA GPUs as rows of the table.
#include "kernels/attention/cuda_kernels.h"

#include <string>

#include "kernels/attention/mma_sm80.h"
#include "kernels/attention/simt_f32.h"

namespace assay {
namespace {

Support supports_mma_sm80(const AttentionProblem& problem, const Target& target) {
  if (target.compute_capability < 80)
    return Support::no("needs sm_80 or later (cp.async, bf16 mma), the device is sm_" +
                       std::to_string(target.compute_capability));
  return attention_cuda_support(problem, target, MmaSm80Tile<128>::kQueries, sizeof(MmaSm80Tile<128>::Shared));
}

Support supports_simt_f32(const AttentionProblem& problem, const Target& target) {
  if (target.compute_capability < 80)
    return Support::no("this build's GPU code is for sm_80 and later, the device is sm_" +
                       std::to_string(target.compute_capability));
  return attention_cuda_support(problem, target, SimtF32Tile<128>::kQueries, sizeof(SimtF32Tile<128>::Shared));
}

AttentionKernel cuda_kernel(const char* name, std::vector<DType> dtypes,
                            Support (*supports)(const AttentionProblem&, const Target&),
                            void (*prepare)(const AttentionProblem&),
                            void (*launch)(const AttentionProblem&, const AttentionBuffers&, const Target&, Stream)) {
  AttentionKernel kernel;
  kernel.name = name;
  kernel.device = Device::gpu;
  kernel.dtypes = std::move(dtypes);
  kernel.supports = supports;
  kernel.prepare = [prepare, launch](const AttentionProblem& problem, const Target& target,
                                     const std::vector<AttentionBuffers>&, Stream) {
    prepare(problem);
    return std::make_unique<FunctionOperation<AttentionProblem, AttentionBuffers>>(launch, problem, target);
  };
  return kernel;
}

}  // namespace

void append_cuda_attention_kernels(std::vector<AttentionKernel>& kernels) {
  kernels.push_back(cuda_kernel("mma_sm80", {DType::bf16, DType::f16}, supports_mma_sm80, prepare_attention_mma_sm80,
                                launch_attention_mma_sm80));
  kernels.push_back(
      cuda_kernel("simt_f32", {DType::f32}, supports_simt_f32, prepare_attention_simt_f32, launch_attention_simt_f32));
}

}  // namespace assay
