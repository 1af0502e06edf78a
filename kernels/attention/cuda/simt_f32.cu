#include "kernels/attention/cuda/simt_f32.cuh"

#include "kernels/attention/cuda/simt_f32.h"
#include "kernels/common/cuda_launch.h"

namespace assay {

// Plain names: what the launch plan says is what profilers show and what the functional GPU looks up.
extern "C" __global__ void __launch_bounds__(SimtF32Tile<64>::kThreads)
    attention_simt_f32_d64(const AttentionKernelParams params) {
  simt_f32::attention<64>(params);
}
extern "C" __global__ void __launch_bounds__(SimtF32Tile<96>::kThreads)
    attention_simt_f32_d96(const AttentionKernelParams params) {
  simt_f32::attention<96>(params);
}
extern "C" __global__ void __launch_bounds__(SimtF32Tile<128>::kThreads)
    attention_simt_f32_d128(const AttentionKernelParams params) {
  simt_f32::attention<128>(params);
}

namespace {

const NamedKernel<AttentionKernelParams> kKernels[] = {
    {"attention_simt_f32_d64", attention_simt_f32_d64},
    {"attention_simt_f32_d96", attention_simt_f32_d96},
    {"attention_simt_f32_d128", attention_simt_f32_d128},
};

}  // namespace

void prepare_attention_simt_f32(const AttentionProblem& problem) {
  const auto plan = attention_simt_f32_plan(problem, {});
  allow_shared_bytes(reinterpret_cast<const void*>(find_kernel(kKernels, plan)), plan.shared_bytes);
}

void launch_attention_simt_f32(const AttentionProblem& problem, const AttentionBuffers& buffers, const Target&,
                               Stream stream) {
  const auto plan = attention_simt_f32_plan(problem, buffers);
  launch_kernel(find_kernel(kKernels, plan), plan, stream);
}

}  // namespace assay
